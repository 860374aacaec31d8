"""The encoder graph in onnxruntime. The only module that imports onnxruntime."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ProviderError

__all__ = ["PROVIDERS", "Encoder"]

#: Providers by the name that a user types.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class Encoder:
    """One ONNX graph, ready to run.

    Parameters
    ----------
    graph
        The serialised graph: input ``frame (N, C, H, W)`` float32, outputs ``mean`` and ``std`` ``(N, L, rows, cols)``.
    threads
        Threads of one run; they sleep between runs (spinning would slow the acquisition beside us).
    provider
        A key of `PROVIDERS`.

    Raises
    ------
    ProviderError
        if onnxruntime is missing or does not offer `provider`. There is no silent fallback.
    """

    def __init__(self, graph: bytes, *, threads: int = 1, provider: str = "cpu") -> None:
        onnxruntime = _import_onnxruntime()
        if provider not in PROVIDERS:
            raise ProviderError(f"unknown provider {provider!r}: choose one of {', '.join(PROVIDERS)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        wanted = PROVIDERS[provider]
        if wanted not in onnxruntime.get_available_providers():
            raise ProviderError(_missing(provider, onnxruntime.get_available_providers()))
        self._session = onnxruntime.InferenceSession(graph, options, providers=[wanted])
        if self._session.get_providers()[0] != wanted:  # onnxruntime falls back with no more than a log line
            raise ProviderError(_missing(provider, self._session.get_providers()))
        self.provider = provider

    def encode(self, frame: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Encode every window of ``frame (N, C, H, W)``: mean and standard deviation, ``(N, L, rows, cols)`` each."""
        mean, std = self._session.run(("mean", "std"), {"frame": frame})
        return mean, std


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
    try:
        import onnxruntime
    except ImportError as error:
        raise ProviderError(
            "onnxruntime is not installed: run `pip install shiftvae-rt[cpu]`, or `shiftvae-rt[gpu]` for NVIDIA GPUs"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def _missing(provider: str, available: list[str]) -> str:
    extra = {"cpu": "shiftvae-rt[cpu]", "cuda": "shiftvae-rt[gpu] and the CUDA and cuDNN libraries"}.get(
        provider, "shiftvae-rt[gpu], CUDA and TensorRT"
    )
    return (
        f"onnxruntime cannot run on {provider!r} here (it offers {', '.join(available)}): install {extra}, or use 'cpu'"
    )
