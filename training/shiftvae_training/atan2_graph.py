"""atan2 in ONNX, from arithmetic alone.

ONNX has Atan only, and onnxruntime computes that with vector instructions for most of a tensor and with the C library
for the rest: the last bit of a value then depends on how many others there are, and rows of a frame would differ from
the whole. Sums, products and quotients are rounded the same everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from .graph_builder import GraphBuilder

__all__ = ["atan2"]

#: Turning an angle of 0 to 45 degrees by half of that leaves a tangent of at most this.
TANGENT = float(np.tan(np.pi / 8))


def atan2(build: GraphBuilder, y: str, x: str) -> str:
    """Angle of ``(x, y)``, -pi to pi, within 3e-7: the smaller over the larger side, then mirrored into its octant."""
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
    angle = build.node("Add", build.node("Mul", series, turned), build.constant(np.pi / 8))
    steep = build.node("Sub", build.constant(np.pi / 2), angle)
    angle = build.node("Where", build.node("Greater", abs_y, abs_x), steep, angle)
    left = build.node("Sub", build.constant(np.pi), angle)
    angle = build.node("Where", build.node("Less", x, zero), left, angle)
    return build.node("Where", build.node("Less", y, zero), build.node("Neg", angle), angle)


def _coefficients() -> NDArray[np.float64]:
    """Of atan(u) / u in powers of u**2, for abs(u) up to `TANGENT`; off by less than 1e-8."""

    def wanted(square: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.arctan(np.sqrt(square)) / np.sqrt(square)

    series = Chebyshev.interpolate(wanted, 5, domain=[0, TANGENT**2])
    coefficients: NDArray[np.float64] = series.convert(kind=Polynomial).coef
    return coefficients
