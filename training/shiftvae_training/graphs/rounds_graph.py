"""The rounds that improve the latents of a motif that turns or differs in size, in the complete encoder graph.

The arithmetic is that of `Rounds`. The windows are cut from the frame, so that the bits of a window do not
depend on its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shiftvae_rt.kernels.rounds import (
    LEAST_GAIN,
    LEAST_SHARE,
    MOST_CONTENT,
    MOST_STEP,
    ROUNDS,
    SEEN,
    SIZES,
)

from ..model.rounds import Rounds
from .graph_builder import END, GraphBuilder

__all__ = ["add_rounds", "rounds_constants"]


def rounds_constants(rounds: Rounds) -> bytes:
    """Graph without inputs, whose outputs are the constants of the rounds; see `shiftvae_rt.kernels.rounds.Rounds`."""
    build = GraphBuilder()
    values = {
        "points": rounds.points.numpy(),
        "motif": np.concatenate([rounds.mean.numpy()[None], rounds.components.numpy()]),
        "inverse": rounds.inverse.numpy(),
        "deviation": rounds.deviation.numpy(),
    }
    shapes: dict[str, list[int | str]] = {}
    for name, value in values.items():
        build.node("Identity", build.constant(value), output=name)
        shapes[name] = list(value.shape)
    return build.serialise("rounds", {}, shapes)


def add_rounds(
    build: GraphBuilder, rounds: Rounds, maps: tuple[str, str], *, stride: int, channel_scale: tuple[float, ...]
) -> tuple[str, str]:
    """Improved mean and standard deviation ``(N, L, rows, cols)``.

    Parameters
    ----------
    build
        Graph with the input ``frame (N, C, H, W)``.
    rounds
        Their constants.
    maps
        Names of the mean ``(N, L, rows, cols)`` from the encoder, and of the windows' deviations ``(N, 1, rows, cols)``
        in scaled units.
    stride, channel_scale
        px between windows, and factor of each channel.
    """
    graph = _RoundsGraph(build, rounds, maps, stride, np.asarray(channel_scale, np.float32))
    return graph.run()


@dataclass
class _RoundsGraph:
    """Graph of the rounds under construction: N frames, M windows in each, p points, C channels."""

    build: GraphBuilder
    rounds: Rounds
    maps: tuple[str, str]
    stride: int
    scale: np.ndarray

    def run(self) -> tuple[str, str]:
        build, rounds = self.build, self.rounds
        latents, content = len(rounds.inverse), rounds.first_content
        shape = build.node("Shape", self.maps[0])
        flat = build.node("Reshape", self.maps[0], build.constant([0, latents, -1], np.int64))
        flat = build.node("Transpose", flat, perm=[0, 2, 1])
        state = [build.slice(flat, 2, j, end=j + 1) for j in range(content)]  # (N, M, 1) each
        turn, size = (2 if rounds.period else None), (content - 1 if rounds.grows else None)
        if turn is not None:
            state[turn] = self._times(state[turn], math.pi / 180)
        if size is not None:
            state[size] = build.node("Add", self._times(state[size], 0.01), build.constant(1.0))
        if latents > content:
            state.append(build.slice(flat, 2, content))
        self.windows = self._cut_windows()
        spread = ""
        for _ in range(ROUNDS):
            spread = self._round(state)
        sds = [build.node("Mul", spread, build.constant(v)) for v in rounds.deviation[:content].numpy()]
        if turn is not None:
            angle = self._times(state[turn], 180 / math.pi)
            whole = build.node("Round", self._times(angle, 1 / rounds.period))
            state[turn] = build.node("Sub", angle, self._times(whole, rounds.period))
            sds[turn] = self._times(sds[turn], 180 / math.pi)
        if size is not None:
            sds[size] = self._times(build.node("Mul", sds[size], state[size]), 100)
            state[size] = self._times(build.node("Sub", state[size], build.constant(1.0)), 100)
        if latents > content:
            sds.append(build.node("Mul", spread, build.constant(rounds.deviation[content:].numpy())))
        found = []
        for parts in (state, sds):
            joined = build.node("Transpose", build.node("Concat", *parts, axis=2), perm=[0, 2, 1])
            found.append(build.node("Reshape", joined, shape))
        return found[0], found[1]

    def _round(self, state: list[str]) -> str:
        """One round, which replaces `state`; gives the standard deviation ``(N, M, 1)`` of the residual."""
        build, rounds = self.build, self.rounds
        points, channels, content = rounds.points.shape[1], len(rounds.mean), rounds.first_content
        residual, gain, trust, share = self._compare(state)
        every = self._sum(build.node("Mul", residual, residual))
        noise = build.node("Div", every, self._times(share, channels * points))
        noise = build.node("Add", noise, build.node("Sub", build.constant(1.0), trust))
        spread = build.node("Div", build.node("Sqrt", noise), build.node("Mul", gain, share))
        flat = build.node("Reshape", residual, build.constant([0, -1, channels * points], np.int64))
        step = build.node("MatMul", flat, build.constant(rounds.inverse.flatten(1).T.numpy()))
        step = build.node("Mul", step, build.node("Div", trust, gain))
        y, x = (build.clip(build.slice(step, 2, j, end=j + 1), -MOST_STEP[0], MOST_STEP[0]) for j in (0, 1))
        y, x = self._in_window(y, x, state)
        for index, moved in enumerate((y, x)):
            half = (rounds.window[index] - 1) / 2
            state[index] = build.clip(build.node("Add", state[index], moved), -half, half)
        at = 2
        if rounds.period:
            turned = build.clip(build.slice(step, 2, at, end=at + 1), -MOST_STEP[1], MOST_STEP[1])
            state[at] = build.node("Add", state[at], turned)
            at += 1
        if rounds.grows:
            grown = build.node("Exp", build.clip(build.slice(step, 2, at, end=at + 1), -MOST_STEP[2], MOST_STEP[2]))
            state[at] = build.clip(build.node("Mul", state[at], grown), *SIZES)
        if len(state) > content:
            changed = build.clip(build.slice(step, 2, content), -MOST_STEP[3], MOST_STEP[3])
            state[content] = build.clip(build.node("Add", state[content], changed), -MOST_CONTENT, MOST_CONTENT)
        return spread

    def _compare(self, state: list[str]) -> tuple[str, str, str, str]:
        """Residual ``(N, M, C, p)``; contrast, trust and share seen ``(N, M, 1)``."""
        build, rounds = self.build, self.rounds
        count, channels = rounds.points.shape[1], len(rounds.mean)
        down, right = (build.constant(axis.numpy()[None, None]) for axis in rounds.points)
        y, x = self._in_window(down, right, state)
        places, weights = [], []
        for index, away in enumerate((y, x)):
            half = (rounds.window[index] - 1) / 2
            away = build.node("Add", away, state[index])
            left = build.node("Sub", build.constant(half + 0.5), build.node("Abs", away))
            weights.append(build.clip(left, 0.0, 1.0))
            place = self._times(build.clip(away, -half, half), 1 / half)
            places.append(build.node("Unsqueeze", place, build.constant([3], np.int64)))
        weight = build.node("Unsqueeze", build.node("Mul", *weights), build.constant([2], np.int64))
        grid = build.node("Concat", *places[::-1], axis=3)
        grid = build.node("Reshape", grid, build.constant([-1, 1, count, 2], np.int64))
        value = build.node("GridSample", self.windows, grid, align_corners=1, padding_mode="border")
        shape = build.node("Concat", self.grid, build.constant([channels, count], np.int64), axis=0)
        value = build.node("Reshape", value, shape)
        drawn = build.constant(rounds.mean.numpy()[None, None])
        if len(rounds.components):
            changed = build.node("MatMul", state[-1], build.constant(rounds.components.flatten(1).numpy()))
            changed = build.node("Reshape", changed, build.constant([0, -1, channels, count], np.int64))
            drawn = build.node("Add", drawn, changed)
        total = self._times(build.node("ReduceMean", weight, axes=[3], keepdims=1), count)  # (N, M, 1, 1)
        enough = build.node("Max", total, build.constant(1.0))
        value, drawn = (self._without_mean(v, weight, enough, count) for v in (value, drawn))
        weighted = build.node("Mul", weight, drawn)
        across, square = (self._sum(build.node("Mul", weighted, v)) for v in (value, drawn))
        power = self._sum(build.node("Mul", build.node("Mul", weight, value), value))
        gain = build.node("Div", across, build.node("Max", square, build.constant(1e-6)))
        explained = build.node("Div", build.node("Mul", gain, across), build.node("Max", power, build.constant(1e-6)))
        explained = build.node(
            "Where", build.node("Greater", gain, build.constant(0.0)), explained, build.constant(0.0)
        )
        trust = self._times(build.node("Sub", explained, build.constant(SEEN[0])), 1 / (SEEN[1] - SEEN[0]))
        wide = build.node("Unsqueeze", gain, build.constant([3], np.int64))
        residual = build.node("Mul", weight, build.node("Sub", value, build.node("Mul", wide, drawn)))
        share = build.node("Reshape", self._times(total, 1 / count), build.constant([0, -1, 1], np.int64))
        share, gain = (
            build.node("Max", v, build.constant(least)) for v, least in ((share, LEAST_SHARE), (gain, LEAST_GAIN))
        )
        return residual, gain, build.clip(trust, 0.0, 1.0), share

    def _without_mean(self, value: str, weight: str, enough: str, count: int) -> str:
        mean = self.build.node("ReduceMean", self.build.node("Mul", weight, value), axes=[3], keepdims=1)
        return self.build.node("Sub", value, self.build.node("Div", self._times(mean, count), enough))

    def _sum(self, values: str) -> str:
        """Sum ``(N, M, 1)`` of ``values (N, M, C, p)`` over channels and points."""
        count = self.rounds.mean.numel()
        mean = self.build.node("ReduceMean", values, axes=[2, 3], keepdims=0)
        return self._times(self.build.node("Unsqueeze", mean, self.build.constant([2], np.int64)), count)

    def _in_window(self, y: str, x: str, state: list[str]) -> tuple[str, str]:
        """Vectors of the motif's frame in the window's: turned and scaled as the motif."""
        build, at = self.build, 2
        if self.rounds.period:
            cosine, sine = build.node("Cos", state[at]), build.node("Sin", state[at])
            y, x = (
                build.node("Sub", build.node("Mul", y, cosine), build.node("Mul", x, sine)),
                build.node("Add", build.node("Mul", x, cosine), build.node("Mul", y, sine)),
            )
            at += 1
        if self.rounds.grows:
            y, x = (build.node("Mul", v, state[at]) for v in (y, x))
        return y, x

    def _cut_windows(self) -> str:
        """All windows ``(N M, C, h, w)`` in units of their deviations; sets `grid`, the shape ``(N, M)``."""
        build, (h, w), channels = self.build, self.rounds.window, len(self.scale)
        x = build.node("Mul", "frame", build.constant(self.scale[:, None, None]))
        lines = [build.slice(x, 2, i, self.stride, end=i + 1 - h or END) for i in range(h)]
        x = build.node("Concat", *(build.node("Unsqueeze", v, build.constant([2], np.int64)) for v in lines), axis=2)
        columns = [build.slice(x, 4, j, self.stride, end=j + 1 - w or END) for j in range(w)]
        x = build.node("Concat", *(build.node("Unsqueeze", v, build.constant([3], np.int64)) for v in columns), axis=3)
        x = build.node("Transpose", x, perm=[0, 4, 5, 1, 2, 3])  # from (N, C, h, w, rows, cols)
        deviation = build.node("Transpose", self.maps[1], perm=[0, 2, 3, 1])
        deviation = build.node("Reshape", deviation, build.constant([0, 0, 0, 1, 1, 1], np.int64))
        flat = build.node("Reshape", deviation, build.constant([0, -1], np.int64))
        self.grid = build.node("Shape", flat)
        return build.node("Reshape", build.node("Div", x, deviation), build.constant([-1, channels, h, w], np.int64))

    def _times(self, x: str, factor: float) -> str:
        return self.build.node("Mul", x, self.build.constant(factor))
