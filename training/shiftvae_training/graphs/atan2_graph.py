"""atan2 in ONNX, from arithmetic alone.

ONNX has Atan only, and onnxruntime computes that with vector instructions for most of a tensor and with the C library
for the rest: the last bit of a value then depends on how many others there are, and rows of a frame would differ from
the whole. Sums, products and quotients are rounded the same everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray
from onnx import TensorProto

from .graph_builder import GraphBuilder

__all__ = ["atan2"]

#: Turning an angle of 0 to 45 degrees by half of that leaves a tangent of at most this.
TANGENT = float(np.tan(np.pi / 8))


def atan2(build: GraphBuilder, y: str, x: str) -> str:
    """Angle of ``(x, y)``, -pi to pi, within 4e-7: the smaller over the larger side, then mirrored into its octant.

    Each mirror is a factor of 1 or -1 about its axis: onnxruntime's `Where` takes five times as long as all else here.
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
    """Of atan(u) / u in powers of u**2, for abs(u) up to `TANGENT`; off by less than 1e-8."""

    def wanted(square: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.arctan(np.sqrt(square)) / np.sqrt(square)

    series = Chebyshev.interpolate(wanted, 5, domain=[0, TANGENT**2])
    coefficients: NDArray[np.float64] = series.convert(kind=Polynomial).coef
    return coefficients
