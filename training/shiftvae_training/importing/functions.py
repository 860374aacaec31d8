"""Softplus, cosine and sine in ONNX, from arithmetic operators and Exp alone.

onnxruntime's own are rounded differently near the end of a tensor, see `atan2_graph`: a part of a frame would differ
from the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from ..graphs.graph_builder import GraphBuilder

__all__ = ["cosine_and_sine", "softplus"]

Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def softplus(build: GraphBuilder, x: str) -> str:
    """Softplus log(1 + exp(x)) with a relative error below 2e-7: max(x, 0) + 2 atanh(u / (2 + u)), u = exp(-abs(x))."""
    u = build.node("Exp", build.node("Neg", build.node("Abs", x)))
    t = build.node("Div", u, build.node("Add", u, build.constant(2.0)))
    rest = _series(build, lambda q: 2 * np.arctanh(np.sqrt(q)) / np.sqrt(q), 1 / 9, t)
    return build.node("Add", build.node("Relu", x), build.node("Mul", rest, t))


def cosine_and_sine(build: GraphBuilder, angle: str) -> tuple[str, str]:
    """Cosine and sine of angles in rad, with an error below 4e-7 up to a few turns: a quarter angle, doubled twice."""
    turns = build.node("Round", build.node("Mul", angle, build.constant(1 / (2 * np.pi))))
    rest = build.node("Sub", angle, build.node("Mul", turns, build.constant(2 * np.pi)))
    quarter = build.node("Mul", rest, build.constant(0.25))
    most = (np.pi / 4) ** 2
    cosine = _series(build, lambda q: np.cos(np.sqrt(q)), most, quarter)
    sine = build.node("Mul", _series(build, lambda q: np.sin(np.sqrt(q)) / np.sqrt(q), most, quarter), quarter)
    for _ in range(2):
        less = build.node("Mul", build.node("Mul", sine, sine), build.constant(2.0))
        sine = build.node("Mul", build.node("Mul", sine, cosine), build.constant(2.0))
        cosine = build.node("Sub", build.constant(1.0), less)
    return cosine, sine


def _series(build: GraphBuilder, function: Function, most: float, x: str) -> str:
    """Polynomial approximation of a function of ``x**2``, for values of at most `most`."""
    fit = Chebyshev.interpolate(function, 6, domain=[0, most]).convert(kind=Polynomial)
    first, *rest = (build.constant(c) for c in reversed(fit.coef))
    square, series = build.node("Mul", x, x), first
    for coefficient in rest:
        series = build.node("Add", build.node("Mul", series, square), coefficient)
    return series
