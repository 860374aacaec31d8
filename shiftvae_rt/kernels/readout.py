"""Latents from the code of a window: what the runtime's graphs leave to C++.

A network says an angle as cosine, sine and log width, and a deviation as its logarithm. In a graph, what turns those
into latents is sixty small steps, each a pass over the map; here it is one.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import ModelFileError

__all__ = ["Readout"]

Floats = NDArray[np.float32]


_Size = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Coordinate = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_AT_MOST_TWO = msgspec.Meta(max_length=2)


class Readout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the planes of a code mean, in their order.

    The shift: with lattice vectors, cosines, sines and log widths, a plane for each vector; without, shift and log
    deviation for each axis. Cosine, sine and log width of a rotation; log and log deviation of a scale, in units of its
    prior; means of the content, then its log deviations. Last, what is added to the shift: cells along each vector, and
    px for each axis if the vectors are fewer than the axes; px for each axis without vectors.

    Attributes
    ----------
    axes
        Coordinates of the shift, 1 or 2.
    vectors
        Lattice vectors, px along each axis; empty for a planar shift.
    planar_px, planar_reach_px
        Unit of a planar shift, and where it ends softly (0: nowhere).
    angle_period
        Degrees after which a rotation starts again; 0 without.
    scale_prior
        Deviation of the logarithm of a scale; 0 without.
    content
        Number of content latents.
    """

    axes: Annotated[int, msgspec.Meta(ge=1, le=2)]
    vectors: Annotated[tuple[Annotated[tuple[_Coordinate, ...], _AT_MOST_TWO], ...], _AT_MOST_TWO]
    planar_px: _Size
    planar_reach_px: _Size
    angle_period: _Size
    scale_prior: _Size
    content: Annotated[int, msgspec.Meta(ge=0, le=1024)]

    @classmethod
    def from_json(cls, text: str, graph: str) -> Readout:
        """Decode what the metadata of `graph` say; ModelFileError for anything else."""
        try:
            readout = msgspec.json.decode(text, type=cls)
            _core.Readout(**msgspec.structs.asdict(readout))
        except (msgspec.DecodeError, ValueError) as error:
            raise ModelFileError(f"{graph}: its readout is wrong ({error}): export the model again") from error
        return readout

    @property
    def planes(self) -> int:
        """Of a code."""
        return _core.Readout(**msgspec.structs.asdict(self)).planes

    @property
    def latents(self) -> int:
        """That are read from it."""
        return _core.Readout(**msgspec.structs.asdict(self)).latents

    def to_json(self) -> str:
        """Encode."""
        return msgspec.json.encode(self).decode()

    def read(self, code: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Mean and standard deviation ``(L, rows, cols)`` of ``code (planes, rows, cols)``.

        The shift in px within the cell around 0, a rotation in degrees, a scale in per cent above 1, content in its own
        units. The values of a window do not depend on its neighbours, nor on the instruction set.

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
