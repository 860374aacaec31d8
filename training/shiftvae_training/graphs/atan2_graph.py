"""atan2 in ONNX, from arithmetic operators alone.

ONNX has only Atan, which onnxruntime computes with vector instructions for most of a tensor and with the C library for
the rest: the last bit of a value depends on its position in the tensor, and a part of a frame would differ from the
whole. Sums, products and quotients are rounded identically everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray
from onnx import TensorProto

from .graph_builder import GraphBuilder

__all__ = ["atan2"]

#: Largest tangent that remains after an angle of 0 to 45 degrees is turned by -22.5 degrees.
TANGENT = float(np.tan(np.pi / 8))


def atan2(build: GraphBuilder, y: str, x: str) -> str:
    """Angle of ``(x, y)`` in rad, -pi to pi, with an error below 4e-7.

    The angle of the shorter over the longer side is mirrored into its octant. Each mirror is a factor of 1 or -1 about
    its axis, because onnxruntime's `Where` is slower than all other operators here together.
    """
    zero, tiny, one = build.constant(0.0), build.constant(1e-30), build.constant(1.0)
    abs_y, abs_x = build.node("Abs", y), build.node("Abs", x)
    ratio = build.node("Div", build.node("Min", abs_y, abs_x), build.node("Max", abs_y, abs_x, tiny))
    tangent = build.constant(TANGENT)
    below = build.node("Add", build.node("Mul", ratio, tangent), one)
    turned = build.node("Div", build.node("Sub", ratio, tangent), below)
    square = build.node("Mul", turned, turned)
    first, *rest = (build.constant(c) for c in reversed(_coefficients()))
    series = first
    for coefficient in rest:
        series = build.node("Add", build.node("Mul", series, square), coefficient)
    angle = build.node("Sub", build.node("Mul", series, turned), build.constant(np.pi / 8))  # from the diagonal
    angle = build.node("Mul", angle, _minus_where(build, build.node("Greater", abs_y, abs_x)))
    angle = build.node("Sub", angle, build.constant(np.pi / 4))  # from the y axis
    angle = build.node("Mul", angle, _minus_where(build, build.node("Less", x, zero)))
    angle = build.node("Add", angle, build.constant(np.pi / 2))
    return build.node("Mul", angle, _minus_where(build, build.node("Less", y, zero)))


def _minus_where(build: GraphBuilder, condition: str) -> str:
    """-1 where the condition holds, 1 elsewhere."""
    twice = build.node("Mul", build.node("Cast", condition, to=TensorProto.FLOAT), build.constant(2.0))
    return build.node("Sub", build.constant(1.0), twice)


def _coefficients() -> NDArray[np.float64]:
    """Coefficients of atan(u) / u in powers of u**2, for abs(u) up to `TANGENT`; the error is below 1e-8."""

    def function(square: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.arctan(np.sqrt(square)) / np.sqrt(square)

    series = Chebyshev.interpolate(function, 5, domain=[0, TANGENT**2])
    coefficients: NDArray[np.float64] = series.convert(kind=Polynomial).coef
    return coefficients
