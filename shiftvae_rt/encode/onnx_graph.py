"""ONNX graphs in onnxruntime. The only module that imports onnxruntime."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from ..array_types import Float32
from ..errors import ProviderError

__all__ = ["PROVIDERS", "OnnxGraph", "available_providers", "run_graph", "runtime_version"]

#: Providers by the name that a user types.
PROVIDERS = {
    "onnxruntime": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
#: Options of each for onnxruntime; TF32 would cost three digits.
OPTIONS: dict[str, list[Any]] = {
    "onnxruntime": [PROVIDERS["onnxruntime"]],
    "cuda": [(PROVIDERS["cuda"], {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), PROVIDERS["onnxruntime"]],
    "tensorrt": [PROVIDERS["tensorrt"], (PROVIDERS["cuda"], {"use_tf32": "0"}), PROVIDERS["onnxruntime"]],
}
#: How to get each, and the library of onnxruntime that it needs.
EXTRAS = {
    "onnxruntime": "shiftvae-rt[cpu]",
    "cuda": "shiftvae-rt[gpu] and the CUDA and cuDNN libraries",
    "tensorrt": "shiftvae-rt[gpu], CUDA and TensorRT",
}


class OnnxGraph:
    """An ONNX graph that is ready to run. A run takes one thread; several threads may call it at a time.

    Parameters
    ----------
    graph
        The serialised graph; inputs and outputs are float32.
    provider
        A key of `PROVIDERS`.

    Raises
    ------
    ProviderError
        if onnxruntime is missing or cannot run on `provider`, naming the library that is missing. Nothing falls back
        to the CPU in silence.
    """

    def __init__(self, graph: bytes, *, provider: str = "onnxruntime") -> None:
        onnxruntime = _import_onnxruntime()
        if provider not in PROVIDERS:
            raise ProviderError(f"unknown provider {provider!r}: choose one of native, {', '.join(PROVIDERS)}, or auto")
        if provider != "onnxruntime":
            _load_gpu_libraries(onnxruntime)
        wanted = PROVIDERS[provider]
        if wanted not in onnxruntime.get_available_providers():
            raise ProviderError(_missing(provider, onnxruntime.get_available_providers()))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Off the CPU the error below names what is missing, in one line.
        options.log_severity_level = 3 if provider == "onnxruntime" else 4
        self._session = onnxruntime.InferenceSession(graph, options, providers=OPTIONS[provider])
        if self._session.get_providers()[0] != wanted:  # onnxruntime falls back with no more than a log line
            raise ProviderError(_missing(provider, self._session.get_providers(), _library_error(provider)))
        self.provider = provider
        #: Metadata of the graph.
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        #: Names of its inputs.
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        #: Shape of its first output; sizes that may vary are names.
        self.output_shape: tuple[Any, ...] = tuple(self._session.get_outputs()[0].shape)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._new_options = onnxruntime.RunOptions
        self._running: set[Any] = set()  # the options of the current runs

    def run(self, **inputs: Float32) -> tuple[Float32, ...]:
        """Run the graph on arrays by name, and give its outputs in order."""
        options = self._new_options()
        self._running.add(options)
        try:
            return tuple(self._run_with(options, inputs))
        finally:
            self._running.discard(options)

    def terminate(self) -> None:
        """Make each `run` in another thread fail soon; later ones are not affected."""
        for options in tuple(self._running):
            options.terminate = True

    def _run_with(self, options: Any, inputs: dict[str, Float32]) -> list[Float32]:
        if self.provider == "onnxruntime":
            values: list[Float32] = self._session.run(self._outputs, inputs, options)
            return values
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_cpu_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding, options)
        return [value.numpy() for value in binding.get_outputs()]


def available_providers() -> list[str]:
    """List the providers that this onnxruntime was built with; the libraries of a GPU may still be missing."""
    offered = _import_onnxruntime().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in offered]


def runtime_version() -> str:
    """Give the version of onnxruntime."""
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


def _import_onnxruntime() -> ModuleType:
    # From version 1.32 on it looks up names in the network and writes into the home folder, unless this is set.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise ProviderError(
            "onnxruntime is not installed: run `pip install shiftvae-rt[cpu]`, or `shiftvae-rt[gpu]` for NVIDIA GPUs"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def _load_gpu_libraries(onnxruntime: ModuleType) -> None:
    """Load CUDA and cuDNN from NVIDIA's wheels where they are installed; an error names a missing one later."""
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()


def _library_error(provider: str) -> str:
    """Give the loader's reason why the library of a provider cannot be loaded: it names what is missing."""
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
        f"install {EXTRAS[provider]}, or leave the provider out, for the CPU"
    )
