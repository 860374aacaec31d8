"""Encode every window of a file's frames and write their latent maps.

A frame of a stack that cannot be mapped (blank, NaN) is NaN in the output, and a line says which; with --strict the
exit code is 1, and for a frame that cannot be read it always is. Long movies go into an archive (.zspy), which can be
continued, shared out in parts, and mapped on Dask.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataFileError, FrameError, ShiftVaeError, few
from ..output_file import try_output
from . import add_encoding, add_force, say_encoding
from .archive import add_archive_options, is_archive, map_into_archive, refuse_archive_options
from .progress import Progress
from .text import answer, counted, say

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..files.spooled_maps import SpooledMaps
    from ..frame import Frame
    from ..latent_map import LatentMap
    from ..verdict import DomainVerdict

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae map`."""
    parser.add_argument("model", metavar="MODEL", help="model file (.svae)")
    parser.add_argument(
        "frame",
        metavar="FRAME",
        help=".dm3 .dm4 .ser .emd .mrc .hspy .zspy .zarr .hdf5 .sxm .dat .spm .gwy .ibw .tif .png .jpg .npy .npz; "
        "FILE::NAME picks one of several datasets",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="file to write: .npz .tif .hspy, or a picture: .png .svg .pdf",
    )
    parser.add_argument("--stride", type=int, default=4, metavar="PX", help="px between windows (default 4)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads that share a whole frame (default 1)"
    )
    parser.add_argument(
        "--raw-shifts",
        action="store_true",
        help="show the shifts dy, dx in a picture too: they repeat with the lattice, and the fields say what they mean",
    )
    add_force(parser)
    add_encoding(parser)
    parser.add_argument(
        "--frame",
        dest="which",
        type=_which,
        default=None,
        metavar="N",
        help="number of one frame of a stack, from 0 (default: all)",
    )
    parser.add_argument("--strict", action="store_true", help="leave with 1 if a frame of a stack has no map")
    add_archive_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, map, write."""
    if is_archive(arguments.output):
        map_into_archive(arguments)
        return
    refuse_archive_options(arguments)
    from ..encode.mapper import LatentMapper
    from ..files import check_output, read_frames, write_latent_map
    from ..files.spooled_maps import SpooledMaps

    check_output(arguments.output, force=arguments.force)
    mapper = LatentMapper(
        arguments.model, stride=arguments.stride, threads=arguments.threads, provider=arguments.provider
    )
    say_encoding(mapper, arguments)
    frames = _chosen(read_frames(arguments.frame, dimensions=mapper.model.manifest.dimensions), arguments)
    check_output(arguments.output, frames=len(frames), force=arguments.force)
    progress = Progress()
    with SpooledMaps(Path(arguments.output)) as maps:
        failed, doubts = _map_each(mapper, frames, maps, arguments.output)
        each_s = progress.seconds / len(frames)
        write_latent_map(
            arguments.output,
            maps if len(frames) > 1 else maps[0],
            frame=frames[0] if len(frames) == 1 else None,
            raw_shifts=arguments.raw_shifts,
            source=Path(arguments.frame).name,
        )
        names, (rows, cols) = maps[0].names, maps[0].mean.shape[1:]
    what = f"{counted(len(frames), 'frame')}, {rows} x {cols} windows each, latents {', '.join(names)}"
    answer(f"{arguments.output}: {what}; {each_s:.3g} s a frame")
    _warn(doubts, len(frames))
    if failed:
        reasons = few([str(error) for error in failed])
        about = f"{len(failed)} of {len(frames)} frames have no map and are NaN in {arguments.output}: {reasons}"
        if arguments.strict or any(isinstance(error, DataFileError) for error in failed):
            raise FrameError(about)
        say(f"warning: {about}")


def _map_each(
    mapper: LatentMapper, frames: Sequence[Frame], maps: SpooledMaps, output: str
) -> tuple[list[ShiftVaeError], list[tuple[str, DomainVerdict]]]:
    """Map every frame into `maps`; one that cannot be mapped becomes a map of NaN and a reason with its name.

    Returns the reasons, and names and verdicts of the frames that are out of domain.

    Raises
    ------
    DataFileError
        as soon as one map tells that the disk has no room for all in `output`.
    ShiftVaeError
        where no frame can be mapped: the reason of the first.
    """
    errors: list[ShiftVaeError] = []
    doubts: list[tuple[str, DomainVerdict]] = []
    good = 0
    for frame in _with_progress(frames, errors):
        found: LatentMap | None = None
        if frame is not None:
            try:
                found = mapper.map(frame.pixels, pixel_size_nm=frame.pixel_size_nm)
            except ShiftVaeError as error:
                errors.append(type(error)(f"{frame.name}: {error}"))
            else:
                good += 1
                if good == 1:
                    try_output(output, force=True, room=found.mean.nbytes * len(frames))
                if found.domain is not None and found.domain.out_of_domain:
                    doubts.append((frame.name, found.domain))
        maps.append(found)
    if not good:
        raise errors[0]
    return errors, doubts


def _warn(doubts: list[tuple[str, DomainVerdict]], count: int) -> None:
    """Print one line about the frames that are out of domain, among `count`."""
    if doubts:
        name, worst = max(doubts, key=lambda pair: pair[1].score)
        which = name if count == 1 else f"{len(doubts)} of {count} frames, most of all {name}"
        print(f"shiftvae: warning: out of domain: {which} (score {worst.score:.3g}): {worst.reason}", file=sys.stderr)


def _which(text: str) -> int | None:
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, or all, got {text!r}")
    return None if text == "all" else int(text)


def _chosen(frames: Sequence[Frame], arguments: argparse.Namespace) -> Sequence[Frame]:
    if arguments.which is None:
        return frames
    if arguments.which >= len(frames):
        raise DataFileError(
            f"{arguments.frame} holds {counted(len(frames), 'frame')}, got --frame {arguments.which}: "
            f"choose 0 to {len(frames) - 1}, or all"
        )
    return [frames[arguments.which]]


def _with_progress(frames: Sequence[Frame], errors: list[ShiftVaeError]) -> Iterator[Frame | None]:
    """Give the frames, None and an error for one that cannot be read; after two seconds say on stderr how far it is."""
    progress = Progress()
    for done in range(len(frames)):
        progress(done, len(frames))
        try:
            frame: Frame | None = frames[done]
        except DataFileError as error:
            errors.append(error)
            frame = None
        yield frame
