"""Layout of an archive of maps: a HyperSpy folder (.zspy) in Zarr version 3; a block of frames owns whole chunks of it.

Below ``Experiments`` are the signals ``latent mean``, ``latent std`` and, where the model knows its domain, ``out of
domain`` (scores of the windows), with axes frame, latent, y, x; on request also ``fields`` and ``field std``. At the
root are, for each frame, ``status``, ``score`` of the domain check, and ``reason`` (UTF-8, padded with zeros). Every
chunk carries a checksum.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataFileError

__all__ = ["DONE", "FAILED", "OPEN", "OUT_OF_DOMAIN", "REASON_BYTES", "Archive", "is_there", "open_archive"]

#: Status of a frame: not mapped yet (or not readable), mapped, mapped but unlike the training data, without a map.
OPEN, DONE, OUT_OF_DOMAIN, FAILED = 0, 1, 2, 3
#: Most bytes of a frame's reason.
REASON_BYTES = 240


@dataclass(frozen=True)
class Archive:
    """An open archive: its Zarr group, and the number of frames in all and in a block."""

    group: Any
    frames: int
    block: int

    def blocks(self) -> list[range]:
        """Frames of each block."""
        return [range(self.frames)[first : first + self.block] for first in range(0, self.frames, self.block)]

    def statuses(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Status of every frame, ``(frames,)``; that of a block whose chunk is damaged is `OPEN`."""
        status = self.group["status"]
        try:
            return np.asarray(status[:])
        except Exception:  # noqa: BLE001 - whatever a codec raises on a damaged chunk
            found = np.full(self.frames, OPEN, np.uint8)
            for block in self.blocks():
                with suppress(Exception):  # the block stays open
                    found[block.start : block.stop] = status[block.start : block.stop]
            return found

    def open_blocks(self) -> list[range]:
        """Blocks in which a frame has no outcome yet."""
        statuses = self.statuses()
        return [block for block in self.blocks() if (statuses[block.start : block.stop] == OPEN).any()]

    def reason(self, frame: int) -> str:
        """Reason why a frame has no map or is out of domain; empty if there is none."""
        return bytes(self.group["reason"][frame]).rstrip(b"\0").decode(errors="replace")


def open_archive(output: str) -> Archive:
    """Open the archive at `output`, a folder or the URL of one.

    Raises
    ------
    DataFileError
        if it is missing, or no archive of maps.
    """
    import zarr

    try:
        group = zarr.open_group(output, mode="r+")
        about: Any = group.attrs["shiftvae"]
        return Archive(group, int(about["frames"]), int(about["block_frames"]))
    except FileNotFoundError as error:
        raise DataFileError(f"there is no archive {output}: give the name of one, or map without --check") from error
    except Exception as error:
        raise DataFileError(
            f"{output} is no archive of latent maps ({type(error).__name__}): choose another name, or remove it"
        ) from error


def is_there(output: str) -> bool:
    """Tell whether there is a folder or file `output`, or an archive at that URL."""
    if "://" not in output:
        return os.path.lexists(output)
    import zarr

    try:
        return "shiftvae" in zarr.open_group(output, mode="r").attrs
    except FileNotFoundError:
        return False
    except Exception as error:  # stores have errors of their own
        raise DataFileError(f"cannot look for {output} ({error}): check the address and the rights") from error
