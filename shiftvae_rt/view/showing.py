"""Gives the live page what the service has encoded, while somebody watches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from ..latent_map import LatentMap
from .scenes import Facts, Scenes

if TYPE_CHECKING:
    from .places import Model
    from .viewers import Viewers

__all__ = ["Showing"]

_log = logging.getLogger(__name__)


class Header(Protocol):
    """Words that the page reads in the header of a frame message; see `protocol.wire.FrameHeader`."""

    @property
    def source(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def frame(self) -> int: ...
    @property
    def frame_shape(self) -> tuple[int, int]: ...
    @property
    def valid_rows(self) -> int: ...
    @property
    def pixel_size_nm(self) -> tuple[float, float] | None: ...


class Showing:
    """Hands lines and maps to the page. Used by the serving thread, which never waits here.

    Parameters
    ----------
    status, model_of
        See `viewers.Viewers`.

    Attributes
    ----------
    viewers
        The browsers that watch.
    """

    def __init__(self, status: Callable[[], bytes], model_of: Callable[[str], Model | None]) -> None:
        from .viewers import Viewers  # asyncio takes a while to load, and most commands need none

        self.viewers: Viewers = Viewers(status, model_of)
        self._scenes: Scenes = self.viewers.scenes
        self._failed = False

    def lines(self, header: Header, lines: NDArray[Any], first: int) -> None:
        """Show `lines` of a frame, which were encoded; the first of them is line `first`.

        Parameters
        ----------
        header
            Header of the message that they came with.
        lines
            ``(n, width)`` or ``(channels, n, width)``; a signal ``(length,)`` or ``(channels, length)``.
        first
            Number of the first line in the frame.
        """
        if not self._watched:
            return
        height, width = header.frame_shape
        facts = Facts(
            stream=header.source,
            channel=header.name,
            seq=header.seq,
            frame=header.frame,
            frame_shape=header.frame_shape,
            lines=header.valid_rows,
            pixel_size_nm=header.pixel_size_nm,
        )
        images = lines.reshape(-1, 1, width) if height == 1 else lines.reshape(-1, *lines.shape[-2:])
        self._try(lambda: self._scenes.put_lines(facts, images, first))

    def map(self, header: Header, latent_map: LatentMap, age_s: float) -> None:
        """Show rows of a map, measured `age_s` seconds ago."""
        if self._watched:
            self._try(lambda: self._scenes.put_map(header.source, header.seq, latent_map, age_s))

    @property
    def _watched(self) -> bool:
        return self._scenes.watched and not self._failed

    def _try(self, show: Callable[[], None]) -> None:
        """Show something; a fault of the page, or a lack of memory for it, must not cost a frame."""
        try:
            show()
        except Exception:  # noqa: BLE001  # see above
            _log.exception("the live page is switched off")
            self._failed = True
