"""Grains in ONNX graphs: the label of windows from its scores, and what is chosen by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .graph_builder import GraphBuilder

__all__ = ["chosen", "grain", "shift_in_grains"]


def grain(build: GraphBuilder, scores: str, count: int) -> tuple[str, str]:
    """Number ``(N, 1, rows, cols)`` of the highest of `count` scores, -1 for the last, and the chance of another."""
    each = [build.slice(scores, 1, j, end=j + 1) for j in range(count)]
    best, label = each[0], build.node("Mul", each[0], build.constant(0.0))
    for j, score in enumerate(each[1:], 1):
        label = build.node(
            "Where", build.node("Greater", score, best), build.constant(-1.0 if j == count - 1 else j), label
        )
        best = build.node("Max", best, score)
    odds = [build.node("Exp", build.clip(build.node("Sub", score, best), -80.0, 0.0)) for score in each]
    others = ""
    for j, odd in enumerate(odds):
        rest = build.node("Where", _is(build, label, -1 if j == count - 1 else j), build.constant(0.0), odd)
        others = build.node("Add", others, rest) if others else rest
    return label, build.node("Div", others, build.node("Add", others, build.constant(1.0)))


def chosen(build: GraphBuilder, label: str, values: NDArray[np.float64]) -> str:
    """Choose from ``values (K, ...)`` by label, which broadcasts with one of them; -1 chooses the first."""
    found = build.constant(values[0])
    for k in range(1, len(values)):
        found = build.node("Where", _is(build, label, k), build.constant(values[k]), found)
    return found


def shift_in_grains(
    build: GraphBuilder, cells: NDArray[np.float64], label: str, place: str, squares: str
) -> tuple[str, str]:
    """Shift ``(N, 2, rows, cols)`` px and its variance, from `place` in cells and `squares` in rad squared."""
    shift = variance = ""
    for j in (0, 1):
        vector = chosen(build, label, cells[:, j, :, None, None])
        width = build.node("Mul", vector, build.constant(1 / (2 * np.pi)))
        along = build.node("Mul", vector, build.slice(place, 1, j, end=j + 1))
        spread = build.node("Mul", build.node("Mul", width, width), build.slice(squares, 1, j, end=j + 1))
        shift = build.node("Add", shift, along) if shift else along
        variance = build.node("Add", variance, spread) if variance else spread
    return shift, variance


def _is(build: GraphBuilder, label: str, name: int) -> str:
    """Mask of the labels that are `name`."""
    away = build.node("Abs", build.node("Sub", label, build.constant(float(name))))
    return build.node("Less", away, build.constant(0.5))
