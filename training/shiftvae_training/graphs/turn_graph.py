"""Complex features that turn with the lattice, in ONNX: see `Turn`.

Powers of the phasors are products, not cosines of multiples of an angle: the error stays at a few roundings for any
power, and sums, products and quotients have the same bits wherever a value stands in a tensor (see `atan2_graph`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..model.encoder_weights import Turn
from .graph_builder import GraphBuilder

__all__ = ["Turned"]

Complex = tuple[str, str]


class Turned:
    """Features ``x (N, 2 n, rows, cols)`` after the division, turned by a `turn`.

    Attributes
    ----------
    features
        The turned features ``(N, 2 n, rows, cols)``: all real parts, then all imaginary parts.
    """

    def __init__(self, build: GraphBuilder, turn: Turn, x: str) -> None:
        self._build, self._k = build, turn.orders.shape[1]
        re, im = self._phasors(x, np.concatenate([turn.orders, turn.phases]))
        n = len(turn.orders)
        of_features = build.slice(re, 1, 0, end=n), build.slice(im, 1, 0, end=n)
        self._of_phases = build.slice(re, 1, n), build.slice(im, 1, n)
        parts = build.slice(x, 1, 0, 2), build.slice(x, 1, 1, 2)
        self.features = build.node("Concat", *self._product(parts, of_features), axis=1)

    def with_phases(self, raw: str) -> str:
        """The head's outputs `raw` with cosines and sines of the phases turned."""
        build, k = self._build, self._k
        cosines, sines = build.slice(raw, 1, 0, end=k), build.slice(raw, 1, k, end=2 * k)
        turned = self._product((cosines, sines), self._of_phases)
        return build.node("Concat", *turned, build.slice(raw, 1, 2 * k), axis=1)

    def _phasors(self, x: str, powers: NDArray[np.int64]) -> Complex:
        """Products of the bases' phasors in these ``powers (count, k)``: real and imaginary parts ``(N, count, ...)``.

        Every power of every base is a plane of a table, of which the planes that are needed are taken.
        """
        build, k, most = self._build, self._k, int(np.abs(powers).max())
        one, unit = self._unit(x)
        nothing = build.node("Mul", one, build.constant(0.0))
        powered = [unit]
        for _ in range(most - 1):
            powered.append(self._product(powered[-1], unit))
        conjugate = [build.node("Neg", im) for _, im in reversed(powered)]
        re = build.node("Concat", one, *(part for part, _ in powered), axis=1)
        im = build.node("Concat", *conjugate, nothing, *(part for _, part in powered), axis=1)

        def taken(table: str, planes: NDArray[np.int64]) -> str:
            return build.node("Gather", table, build.constant(planes, np.int64), axis=1)

        first, *further = (
            (taken(re, k * np.abs(power) + base), taken(im, k * (power + most) + base))
            for base, power in enumerate(powers.T)
        )
        return self._product(first, further[0]) if further else first

    def _unit(self, x: str) -> tuple[str, Complex]:
        """Ones, and the bases' phasors: conjugate over modulus, or 1 where that is 0; ``(N, k, rows, cols)`` each."""
        build, k = self._build, self._k
        re, im = (build.slice(x, 1, first, 2, end=2 * k) for first in range(2))
        power = build.node("Add", build.node("Mul", re, re), build.node("Mul", im, im))
        least, ones = build.constant(1e-30), build.constant(1.0)
        none = build.node("Cast", build.node("Less", power, least), to=TensorProto.FLOAT)
        some = build.node("Sub", ones, none)
        factor = build.node("Div", some, build.node("Sqrt", build.node("Max", power, least)))
        cosine = build.node("Add", build.node("Mul", re, factor), none)
        sine = build.node("Neg", build.node("Mul", im, factor))
        return build.node("Add", some, none), (cosine, sine)

    def _product(self, a: Complex, b: Complex) -> Complex:
        build = self._build
        (a_re, a_im), (b_re, b_im) = a, b
        re = build.node("Sub", build.node("Mul", a_re, b_re), build.node("Mul", a_im, b_im))
        im = build.node("Add", build.node("Mul", a_re, b_im), build.node("Mul", a_im, b_re))
        return re, im
