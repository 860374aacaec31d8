"""ONNX graphs in onnxruntime. The only module that imports onnxruntime."""

from __future__ import annotations

import contextlib
import ctypes
import io
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ProviderError

__all__ = ["PROVIDERS", "Decoder", "Encoder", "LineEncoder", "RowEncoder", "available_providers"]

#: Providers by the name that a user types.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
#: What onnxruntime is told about each; TF32 would cost three digits.
OPTIONS: dict[str, list[Any]] = {
    "cpu": [PROVIDERS["cpu"]],
    "cuda": [(PROVIDERS["cuda"], {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), PROVIDERS["cpu"]],
    "tensorrt": [PROVIDERS["tensorrt"], (PROVIDERS["cuda"], {"use_tf32": "0"}), PROVIDERS["cpu"]],
}
#: How to get each, and the library of onnxruntime that it needs.
EXTRAS = {
    "cpu": "shiftvae-rt[cpu]",
    "cuda": "shiftvae-rt[gpu] and the CUDA and cuDNN libraries",
    "tensorrt": "shiftvae-rt[gpu], CUDA and TensorRT",
}

#: How the outputs of a graph that are its state begin.
NEXT = "next"

Floats = NDArray[np.float32]


class Encoder:
    """One ONNX graph, ready to run: by one thread, in as many threads as call it.

    Parameters
    ----------
    graph
        The serialised graph; inputs and outputs are float32.
    provider
        A key of `PROVIDERS`.

    Raises
    ------
    ProviderError
        if onnxruntime is missing or cannot run on `provider`; names the library that is missing. There is no silent
        fallback.
    """

    def __init__(self, graph: bytes, *, provider: str = "cpu") -> None:
        onnxruntime = _import_onnxruntime()
        if provider not in PROVIDERS:
            raise ProviderError(f"unknown provider {provider!r}: choose one of {', '.join(PROVIDERS)}, or auto")
        if provider != "cpu":
            _load_gpu_libraries(onnxruntime)
        wanted = PROVIDERS[provider]
        if wanted not in onnxruntime.get_available_providers():
            raise ProviderError(_missing(provider, onnxruntime.get_available_providers()))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3 if provider == "cpu" else 4  # what is missing is told below, in one line
        self._session = onnxruntime.InferenceSession(graph, options, providers=OPTIONS[provider])
        if self._session.get_providers()[0] != wanted:  # onnxruntime falls back with no more than a log line
            raise ProviderError(_missing(provider, self._session.get_providers(), _library_error(provider)))
        self.provider = provider
        #: What the graph says about itself.
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        #: Names of its inputs.
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        #: Of its first output; sizes that may vary by name.
        self.output_shape: tuple[Any, ...] = tuple(self._session.get_outputs()[0].shape)
        self._outputs = [output.name for output in self._session.get_outputs() if not output.name.startswith(NEXT)]
        self._new_options = onnxruntime.RunOptions
        self._running: set[Any] = set()  # the options of the runs that are going on

    def encode(self, **inputs: Floats) -> tuple[Floats, ...]:
        """Run the graph on arrays by name: its outputs in their order."""
        return tuple(_array(value) for value in self._run(inputs, self._outputs))

    def terminate(self) -> None:
        """Make the `encode` that is running in another thread fail soon; later ones are not affected."""
        for options in tuple(self._running):
            options.terminate = True

    def _run(self, inputs: dict[str, Any], outputs: list[str]) -> list[Any]:
        """Arrays on the CPU; elsewhere the state stays on the device, and all else comes back as arrays."""
        options = self._new_options()
        self._running.add(options)
        try:
            return self._run_with(options, inputs, outputs)
        finally:
            self._running.discard(options)

    def _run_with(self, options: Any, inputs: dict[str, Any], outputs: list[str]) -> list[Any]:
        if self.provider == "cpu":
            values: list[Any] = self._session.run(outputs, inputs, options)
            return values
        binding = self._session.io_binding()
        for name, value in inputs.items():
            if isinstance(value, np.ndarray):
                binding.bind_cpu_input(name, value)
            else:
                binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cuda" if name.startswith(NEXT) else "cpu")
        self._session.run_with_iobinding(binding, options)
        return list(binding.get_outputs())


class RowEncoder(Encoder):
    """An encoder that takes a frame in parts: what one run leaves of its layers goes into the next.

    The graph has an input ``state<i>`` and an output ``next<i>`` for each layer.
    """

    def __init__(self, graph: bytes, *, provider: str = "cpu") -> None:
        super().__init__(graph, provider=provider)
        reach, grid = ([int(v) for v in self.metadata[name].split(",")] for name in ("reach", "grid"))
        states = {value.name: value.shape[1] for value in self._session.get_inputs() if value.name.startswith("state")}
        self._layers = [(states[f"state{i}"], r, g) for i, (r, g) in enumerate(zip(reach, grid, strict=True))]
        self._next = [f"{NEXT}{i}" for i in range(len(reach))]

    def start(self, width: int) -> list[Any]:
        """The state before the first lines of a frame of `width` px: no lines yet."""
        return [np.zeros((1, c, 0, (width - 1 - r) // g + 1), np.float32) for c, r, g in self._layers]

    def encode_next(self, state: list[Any], **inputs: Floats) -> tuple[tuple[Floats, ...], list[Any]]:
        """Run on the lines that follow: the outputs for the new rows, and the state after them."""
        before = {f"state{i}": value for i, value in enumerate(state)}
        values = self._run({**inputs, **before}, self._outputs + self._next)
        count = len(self._outputs)
        return tuple(_array(value) for value in values[:count]), values[count:]


class LineEncoder(Encoder):
    """An encoder of one line more, given those lines above it that its row of windows needs.

    The graph has an input ``above<i>`` and an output ``line<i>`` for each layer that needs any, on the CPU.
    """

    def __init__(self, graph: bytes) -> None:
        super().__init__(graph)
        #: Lines between those that a layer needs, for each layer.
        self.dilations = tuple(int(v) for v in self.metadata["dilation"].split(","))

    def encode_line(self, above: list[Floats], **inputs: Floats) -> tuple[Floats, list[Floats]]:
        """The code of a row of windows, and the new line of each layer."""
        code, *lines = self.encode(**inputs, **{f"above{i}": value for i, value in enumerate(above)})
        return code, lines


class Decoder(Encoder):
    """Draws windows, on the CPU: a few a frame."""

    def __init__(self, graph: bytes) -> None:
        super().__init__(graph)

    def draw(self, latents: Floats) -> Floats:
        """Windows ``(n, C, h, w)`` in units of their deviation, of reported latents ``(n, L)``."""
        return _array(self._run({"latents": latents}, ["windows"])[0])


def available_providers() -> list[str]:
    """Names of the providers that this onnxruntime was built with; the libraries of a GPU may still be missing."""
    offered = _import_onnxruntime().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in offered]


def runtime_version() -> str:
    """Version of onnxruntime."""
    return str(_import_onnxruntime().__version__)


def run_graph(graph: bytes, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Run any checked graph once on the CPU and return all its outputs."""
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[Any]] = session.run(None, inputs)
    return outputs


def _array(value: Any) -> Floats:
    return value if isinstance(value, np.ndarray) else value.numpy()


def _import_onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ProviderError(
            "onnxruntime is not installed: run `pip install shiftvae-rt[cpu]`, or `shiftvae-rt[gpu]` for NVIDIA GPUs"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def _load_gpu_libraries(onnxruntime: ModuleType) -> None:
    """Load CUDA and cuDNN from NVIDIA's wheels, where they are installed; what is missing is told later."""
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()


def _library_error(provider: str) -> str:
    """Why the library of a provider cannot be loaded: the loader names what is missing."""
    folder = Path(_import_onnxruntime().__file__ or "").parent / "capi"
    for library in sorted(folder.glob(f"*onnxruntime_providers_{provider}.*")):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return str(error)
    return ""


def _missing(provider: str, available: list[str], reason: str = "") -> str:
    return (
        f"onnxruntime cannot run on {provider!r} here ({reason or 'it offers ' + ', '.join(available)}): "
        f"install {EXTRAS[provider]}, or use 'cpu'"
    )
