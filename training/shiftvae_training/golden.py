"""The test frame of a model file and its latents, and how well the graphs agree with torch on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float32
from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.kernels.frame_scaling import frame_centre
from shiftvae_rt.kernels.windows import convert_frame
from shiftvae_rt.model.model_file import Golden

from .model.shift_vae import ShiftVAE
from .scans import has_contrast

__all__ = ["TORCH_TOLERANCE", "WINDOW_TOLERANCE", "Parity", "best_golden", "golden_frames"]

#: Stride at which the graphs are compared, and largest side of the test frame, px.
GOLDEN_STRIDE, GOLDEN_SIDE = 4, 160
#: Largest difference of the ONNX output from torch, and from window-by-window encoding, as a share of a latent's
#: spread.
TORCH_TOLERANCE, WINDOW_TOLERANCE = 1e-4, 1e-5
#: Largest number of further parts that are tried as the test frame.
MOST_GOLDEN = 5
#: Share of what is allowed below which a part is good.
GOOD = 0.2


@dataclass(frozen=True)
class Parity:
    """Largest differences on the test frame, in units of a latent's spread; shifts are compared modulo the lattice.

    A latent without information has no spread; its posterior standard deviation is used instead.
    """

    against_torch: float
    against_windows: float

    @property
    def share(self) -> float:
        """Larger difference as a share of what is allowed; NaN if a latent is."""
        return float(np.max([self.against_torch / TORCH_TOLERANCE, self.against_windows / WINDOW_TOLERANCE]))


def golden_frames(frames: Sequence[NDArray[Any]], window: tuple[int, int]) -> list[NDArray[Any]]:
    """Parts of the frames that can be the test frame: large enough for several windows, small enough to travel.

    The middle of the first frame that has contrast there, then the parts of the first frame with contrast, those that
    vary most first.
    """
    shape = frames[0].shape[1:]
    sides = [min(n, max(GOLDEN_SIDE, 2 * w)) for n, w in zip(shape, window, strict=True)]
    top, left = ((n - s) // 2 for n, s in zip(shape, sides, strict=True))
    parts = (frame[:, top : top + sides[0], left : left + sides[1]] for frame in frames)
    some = next((frame for frame in frames if has_contrast(frame)), frames[0])
    tops, lefts = ({*range(0, n - s, max(1, s // 2)), n - s} for n, s in zip(shape, sides, strict=True))
    elsewhere = (some[:, y : y + sides[0], x : x + sides[1]] for y in sorted(tops) for x in sorted(lefts))
    middle = next((part for part in parts if has_contrast(part)), None)
    others = sorted(elsewhere, key=np.std, reverse=True)[:MOST_GOLDEN]
    return [np.ascontiguousarray(part) for part in (others if middle is None else [middle, *others])]


def best_golden(
    model: ShiftVAE, spread: tuple[float, ...], graphs: dict[int, bytes], parts: list[NDArray[Any]]
) -> tuple[Golden, Parity]:
    """Test frame and vectors from the first part on which the graphs agree well, or else from the best part.

    Where a phase of the lattice is lost, as in a hole or at a wall, a rounding turns a latent by any angle. Such a
    place is no test: another processor rounds differently. A graph that is wrong is wrong in every part.

    Parameters
    ----------
    model, spread
        The model, and the deviation of each of its latents.
    graphs
        The encoder's graph for each stride, px.
    parts
        See `golden_frames`.
    """
    found = list[tuple[Golden, Parity]]()
    for part in parts:
        centred = convert_frame(part, frame_centre(part.astype(np.float64), model.window))[0]
        outputs = {stride: run_graph(graph, {"frame": centred[None]}) for stride, graph in graphs.items()}
        golden = Golden(part, {s: o[0][0] for s, o in outputs.items()}, {s: o[1][0] for s, o in outputs.items()})
        found.append((golden, _compare(model, spread, golden, graphs[GOLDEN_STRIDE], centred)))
        if found[-1][1].share <= GOOD:
            return found[-1]
    return min(found, key=lambda each: np.nan_to_num(each[1].share, nan=np.inf))


def _compare(model: ShiftVAE, spread: tuple[float, ...], golden: Golden, graph: bytes, centred: Float32) -> Parity:
    mean, std = golden.mean[GOLDEN_STRIDE], golden.std[GOLDEN_STRIDE]
    torch_mean, torch_std = model.map_frame(centred, GOLDEN_STRIDE)
    h, w = model.window
    rows, cols = mean.shape[1:]
    cut = np.stack(
        [
            centred[:, r * GOLDEN_STRIDE : r * GOLDEN_STRIDE + h, c * GOLDEN_STRIDE : c * GOLDEN_STRIDE + w]
            for r in range(rows)
            for c in range(cols)
        ]
    )
    single = [a.reshape(rows, cols, -1).transpose(2, 0, 1) for a in run_graph(graph, {"frame": cut})]
    weights = model.weights()
    latents = Latents(
        weights.lattice[:, 2 - model.dimensions :], [latent.period for latent in model.reported], weights.cells
    )

    def differ(other: Float32, other_std: Float32) -> float:
        off, off_std = difference((mean, std), (other, other_std), latents)
        scale = np.maximum(spread, std.mean(axis=(1, 2)))[:, None, None]
        return float(np.max([np.abs(off) / scale, np.abs(off_std) / scale]))  # NaN if there is one

    return Parity(differ(torch_mean, torch_std), differ(single[0], single[1]))
