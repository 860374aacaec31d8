"""Latents from the code that a network gives for each window (C++ kernels).

A network gives an angle as cosine, sine and log width, and a deviation as its logarithm. Turning these into latents
takes sixty small operators in a graph, each a pass over the map; here it is one pass.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from .. import _core
from ..array_types import Float32
from ..errors import ModelFileError

__all__ = ["Readout"]


_Size = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Coordinate = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_Vectors = tuple[tuple[_Coordinate, _Coordinate], tuple[_Coordinate, _Coordinate]]
_AT_MOST_TWO = msgspec.Meta(max_length=2)


class Readout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Meaning of the planes of a code, which come in this order.

    - grain, if there are several lattices: a score for each, and one for none of them
    - shift: with lattice vectors, cosines, sines and log widths, a plane for each vector; without lattice vectors,
      shift and log deviation, a plane for each axis
    - rotation: cosine, sine and log width
    - scale: log and log deviation, in units of its prior
    - content: means, then log deviations
    - offset added to the shift: with lattice vectors, cells along each vector, and px for each axis if there are fewer
      vectors than axes; without, px for each axis

    Attributes
    ----------
    axes
        Number of coordinates of the shift, 1 or 2.
    vectors
        Lattice vectors, px along each axis; empty for a planar shift.
    planar_px, planar_reach_px
        Unit of a planar shift, and its soft limit (0: no limit), px.
    angle_period
        Period of the rotation in degrees; 0 for a model without rotation.
    scale_prior
        Standard deviation of the logarithm of the scale; 0 for a model without scale.
    content
        Number of content latents.
    further
        Two vectors of each lattice beside the first, those of further grains.
    """

    axes: Annotated[int, msgspec.Meta(ge=1, le=2)]
    vectors: Annotated[tuple[Annotated[tuple[_Coordinate, ...], _AT_MOST_TWO], ...], _AT_MOST_TWO]
    planar_px: _Size
    planar_reach_px: _Size
    angle_period: _Size
    scale_prior: _Size
    content: Annotated[int, msgspec.Meta(ge=0, le=1024)]
    further: Annotated[tuple[_Vectors, ...], msgspec.Meta(max_length=7)] = ()

    @classmethod
    def from_json(cls, text: str, graph: str) -> Readout:
        """Decode the `text` in the metadata of the graph named `graph`.

        Raises
        ------
        ModelFileError
            if `text` is not the JSON of a readout.
        """
        try:
            readout = msgspec.json.decode(text, type=cls)
            _core.Readout(**msgspec.structs.asdict(readout))
        except (msgspec.DecodeError, ValueError) as error:
            raise ModelFileError(f"{graph}: its readout is wrong ({error}): export the model again") from error
        return readout

    @property
    def planes(self) -> int:
        """Number of planes in a code."""
        return _core.Readout(**msgspec.structs.asdict(self)).planes

    @property
    def latents(self) -> int:
        """Number of latents that are read from a code."""
        return _core.Readout(**msgspec.structs.asdict(self)).latents

    def to_json(self) -> str:
        """Encode as the text that `from_json` decodes."""
        return msgspec.json.encode(self).decode()

    def read(self, code: Float32, *, threads: int = 1) -> tuple[Float32, Float32]:
        """Mean and standard deviation ``(L, rows, cols)`` of ``code (planes, rows, cols)``.

        The shift is in px within the cell around 0 of the window's grain; the grain is a number, -1 for none of them,
        and its standard deviation the chance that it is another; a rotation is in degrees, a scale in per cent above 1,
        content in its own units. The values of a window depend neither on its neighbours nor on the instruction set.

        Raises
        ------
        ModelFileError
            if the code has another number of planes.
        """
        kernel = _core.Readout(**msgspec.structs.asdict(self))
        if len(code) != kernel.planes:
            raise ModelFileError(f"a graph gives {len(code)} planes, expected {kernel.planes}: export the model again")
        mean, std = (np.empty((kernel.latents, *code.shape[1:]), np.float32) for _ in range(2))
        kernel.read(np.ascontiguousarray(code), mean, std, threads)
        return mean, std
