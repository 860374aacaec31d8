"""Training of pyroVED's iVAE on the standard scan, and its scores over CPU time.

Runs in the environment of the compared packages. Two properties of pyroVED 0.3.0 are taken into account:
`SVItrainer.step` trains on test data, so it is given none; and its grid has y upwards, so that a positive t0 moves the
motif up (towards smaller y) and a positive t1 right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyroved.models import iVAE
from pyroved.trainers import SVItrainer
from pyroved.utils import init_dataloader

from shiftvae_rt.simulator import Microscope, SimulatedFrame
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift

Array = NDArray[Any]

WINDOW = 24
WINDOWS = 4000
STRIDE = 4
#: Centred windows: largest displacement from true A positions along each axis, px; number of test windows per column.
JITTER, TESTS_A_SIDE = 3, 3


@dataclass(frozen=True)
class Options:
    """Settings of pyroVED; the defaults are its best setting (see the sweep)."""

    likelihood: str = "gaussian"
    sigma: float = 0.1
    scaling: str = "window min-max"
    prior: float = 0.5
    batch: int = 25
    rate: float = 2e-3


@dataclass(frozen=True)
class Windows:
    """Positions of windows ``(rows, cols)``: their first pixels, and the truth at their centres."""

    pixels: Array
    shift: Array
    order: Array


def trained(task: str, seed: int, options: Options, *, cpu_s: float, every_s: float) -> Iterator[dict[str, Any]]:
    """Train on frame 0 for `cpu_s` of CPU time; yield scores on frame 1 about every `every_s`.

    `task` is ``"random"`` (random windows; tested every 4th px) or ``"centred"`` (windows on A columns, give or take
    3 px, for both).
    """
    torch.set_num_threads(1)
    microscope = Microscope(seed=seed)
    rng = np.random.default_rng([seed, 99])
    learned = training_windows(microscope.frame(0), task, rng)
    tested = test_windows(microscope.frame(1), task, rng)
    frames = {name: microscope.frame(i).pixels.astype(np.float32) for i, name in enumerate(("trained", "tested"))}
    data = torch.from_numpy(scaled(learned, options.scaling, frames["trained"]))
    test = torch.from_numpy(scaled(tested.pixels.reshape(-1, WINDOW, WINDOW), options.scaling, frames["tested"]))
    model = iVAE(
        (WINDOW, WINDOW),
        latent_dim=2,
        invariances=["t"],
        sampler_d=options.likelihood,
        decoder_sig=options.sigma,
        sigmoid_d=options.scaling != "window z-score",
        seed=seed,
        dx_prior=options.prior,
        dy_prior=options.prior,
        device="cpu",
    )
    trainer = SVItrainer(model, lr=options.rate, seed=seed, device="cpu")
    loader = init_dataloader(data, batch_size=options.batch)
    used, reported, epoch = 0.0, 0.0, 0
    while used < cpu_s:
        started = time.process_time()
        trainer.step(loader)
        used += time.process_time() - started
        epoch += 1
        if used - reported >= every_s or used >= cpu_s:
            reported = used
            scores = score(model, test, tested, options.prior)
            loss = trainer.loss_history["training_loss"][-1]
            yield {"task": task, "seed": seed, **asdict(options), "cpu_s": round(used, 1), "epochs": epoch} | scores | {
                "steps": epoch * len(loader), "loss": round(float(loss), 2),
            }  # fmt: skip


def score(model: iVAE, test: torch.Tensor, tested: Windows, prior: float) -> dict[str, float]:
    """Scores of posterior means, as in science/standard_image.py."""
    rows, cols = tested.order.shape
    mean, _ = model.encode(test)
    latents = mean.double().numpy().T.reshape(-1, rows, cols)
    r2, linear = order_parameter_r2(latents[2:], tested.order)
    shift = latents[:2] * prior * (WINDOW - 1) / 2
    shift[0] *= -1
    found = score_shift(shift, tested.shift, Microscope().crystal.vectors)
    return {
        "r2": round(r2, 4),
        "linear_r2": round(linear, 4),
        "circ": round(min(found.circ), 4),
        "shift_px": round(max(found.rms_px), 3),
    }


def training_windows(frame: SimulatedFrame, task: str, rng: np.random.Generator) -> Array:
    """Training windows ``(n, 24, 24)`` of counts, at random positions or around A columns."""
    height, width = frame.pixels.shape
    if task == "random":
        tops = rng.integers(0, [height - WINDOW + 1, width - WINDOW + 1], (WINDOWS, 2))
    else:
        columns = frame.columns_px[rng.integers(0, len(frame.columns_px), 2 * WINDOWS)]
        tops = _around(columns, rng)
        inside = ((tops >= 0) & (tops <= [height - WINDOW, width - WINDOW])).all(axis=1)
        tops = tops[inside][:WINDOWS]
    return _cut(frame.pixels, tops)


def test_windows(frame: SimulatedFrame, task: str, rng: np.random.Generator) -> Windows:
    """Test windows on a grid of rows and columns (so that folds can be blocked in space), and their truth."""
    height, width = frame.pixels.shape
    if task == "random":
        y, x = (np.arange(0, n - WINDOW + 1, STRIDE) for n in (height, width))
        tops = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        shift = frame.shift_px(y + (WINDOW - 1) / 2, x + (WINDOW - 1) / 2)
    else:
        columns = _in_rows(frame.columns_px, (height, width))
        columns = columns.repeat(TESTS_A_SIDE, axis=0).repeat(TESTS_A_SIDE, axis=1)
        tops = _around(columns.reshape(-1, 2), rng).reshape(columns.shape)
        shift = np.moveaxis(columns - tops - (WINDOW - 1) / 2, -1, 0)
    middle = np.rint(tops + (WINDOW - 1) / 2).astype(int)
    order = frame.displacement_px[middle[..., 0], middle[..., 1]]
    pixels = _cut(frame.pixels, tops.reshape(-1, 2)).reshape(*order.shape, WINDOW, WINDOW)
    return Windows(pixels, shift, order)


def scaled(windows: Array, scaling: str, frame: Array) -> Array:
    """Windows as float32, scaled to 0..1 by window or image, or to mean 0 and variance 1 by window."""
    values = windows.astype(np.float32)
    if scaling == "image min-max":
        return (values - frame.min()) / (frame.max() - frame.min())
    if scaling == "window z-score":
        mean, sd = values.mean(axis=(1, 2), keepdims=True), values.std(axis=(1, 2), keepdims=True)
        return (values - mean) / sd
    if scaling != "window min-max":
        raise ValueError(f"no such scaling: {scaling}")
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    return (values - low) / (high - low)


def _around(columns: Array, rng: np.random.Generator) -> Array:
    """First pixels of windows whose centres lie within JITTER px of `columns` ``(n, 2)``."""
    moved = columns + rng.uniform(-JITTER, JITTER, columns.shape)
    return np.rint(moved - (WINDOW - 1) / 2).astype(int)


def _in_rows(columns: Array, shape: tuple[int, int]) -> Array:
    """Columns whose windows lie in the frame, as a grid ``(rows, cols, 2)`` of positions in px."""
    margin = WINDOW / 2 + JITTER + 1
    axes = [_lines(columns[:, axis]) for axis in (0, 1)]
    grid = np.full((*(int(a.max()) + 1 for a in axes), 2), np.nan)
    grid[axes[0], axes[1]] = columns
    fits = ((grid >= margin) & (grid <= np.asarray(shape) - 1 - margin)).all(axis=-1)
    return grid[np.ix_(fits.sum(axis=1) >= fits.sum(axis=1).max(), fits.sum(axis=0) >= fits.sum(axis=0).max())]


def _lines(positions: Array) -> NDArray[np.int64]:
    """Number of the lattice line of each position along one axis: a new one begins after a gap of half a period."""
    order = np.argsort(positions)
    line = np.empty(len(positions), dtype=np.int64)
    line[order] = np.concatenate([[0], np.cumsum(np.diff(positions[order]) > WINDOW / 2)])
    return line


def _cut(pixels: Array, tops: Array) -> Array:
    views = np.lib.stride_tricks.sliding_window_view(pixels, (WINDOW, WINDOW))
    return views[tops[:, 0], tops[:, 1]]
