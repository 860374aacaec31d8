"""How windows are encoded without us: as users write it today, well written, and window by window in onnxruntime.

All use the mlp, whose weights they share with ours; the default network would be slower for each of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from shiftvae_training.graphs.runtime_graphs import runtime_graphs
from shiftvae_training.model.encoder_weights import EncoderWeights

Frame = NDArray[Any]


def torch_mlp(weights: EncoderWeights) -> nn.Sequential:
    """The mlp as a torch module: ``(N, 32, 32)`` normalised windows to raw outputs."""
    stem = weights.stem[0].weight.reshape(len(weights.stem[0].weight), -1)
    layers: list[nn.Module] = [nn.Flatten()]
    for weight, bias in [(stem, weights.stem_bias), *weights.head]:
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(np.array(bias))
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1]).eval()


def users_pipeline(frame: Frame, network: nn.Module, window: int, stride: int) -> torch.Tensor:
    """Crop loop, z-score, DataLoader, network: what notebooks do."""
    crops = [
        frame[y : y + window, x : x + window]
        for y in range(0, frame.shape[0] - window + 1, stride)
        for x in range(0, frame.shape[1] - window + 1, stride)
    ]
    stack = np.stack(crops).astype(np.float32)
    stack -= stack.mean(axis=(1, 2), keepdims=True)
    stack /= stack.std(axis=(1, 2), keepdims=True)
    loader = DataLoader(TensorDataset(torch.from_numpy(stack)), batch_size=256)
    with torch.no_grad():
        return torch.cat([network(batch) for (batch,) in loader])


def well_written(frame: Frame, network: nn.Module, window: int, stride: int) -> torch.Tensor:
    """numpy views, normalised some rows of windows at a time, and torch on large batches."""
    views = sliding_window_view(frame.astype(np.float32), (window, window))[::stride, ::stride]
    outputs = []
    with torch.no_grad():
        for row in range(0, len(views), 4):
            some = views[row : row + 4].reshape(-1, window * window)
            some = some - some.mean(axis=1, keepdims=True)
            some /= np.sqrt(np.einsum("ij,ij->i", some, some) / some.shape[1])[:, None]
            outputs.append(network(torch.from_numpy(some)))
    return torch.cat(outputs)


class WindowByWindow:
    """numpy windows and the mlp in onnxruntime, some rows of windows at a time."""

    def __init__(self, weights: EncoderWeights) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graphs = runtime_graphs(weights, (1,))
        self._first, self._rest = (
            onnxruntime.InferenceSession(graphs[name], options, providers=["CPUExecutionProvider"])
            for name in ("filters.onnx", "features.onnx")
        )

    def __call__(self, frame: Frame, window: int, stride: int) -> list[Any]:
        views = sliding_window_view(frame.astype(np.float32), (window, window))[::stride, ::stride]
        outputs = []
        for row in range(0, len(views), 4):
            some = views[row : row + 4].reshape(-1, window * window)
            some = some - some.mean(axis=1, keepdims=True)
            some /= np.sqrt(np.einsum("ij,ij->i", some, some) / some.shape[1])[:, None]
            (products,) = self._first.run(None, {"windows": some})
            outputs.append(self._rest.run(None, {"products": products}))
        return outputs
