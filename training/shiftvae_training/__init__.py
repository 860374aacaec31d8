"""Training of shift-VAE models: from recorded scans to a model file. Needs the extra ``[train]``.

::

    from shiftvae_training import fit, load
    model = fit(frame)
    model.save("sample.svae")

Names are imported on first use, so that `import shiftvae_training` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fit_model import fit
    from .fitting.course import Step
    from .trained.trained_model import TrainedModel, load
    from .trained.traversal import Traversal

_HOME_OF = {
    "Step": "fitting.course",
    "TrainedModel": "trained.trained_model",
    "Traversal": "trained.traversal",
    "fit": "fit_model",
    "load": "trained.trained_model",
}

__all__ = ["Step", "TrainedModel", "Traversal", "fit", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'shiftvae_training' has no attribute {name!r}")
    try:
        module = import_module(f".{_HOME_OF[name]}", __name__)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "onnx", "scipy", "matplotlib", "onnxruntime"):
            raise
        raise ImportError(
            f"shiftvae_training.{name} needs {error.name}, which is not installed: "
            "pip install 'shiftvae-rt[cpu,io,train]'",
            name=error.name,
        ) from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
