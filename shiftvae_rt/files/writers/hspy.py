"""Latent maps and fields as HyperSpy's HDF5 (.hspy), written with h5py alone.

The layout is version 3.1 of the public description of the format: one group for each signal below ``Experiments``, in
it ``data``, one group ``axis-N`` for each axis, ``metadata`` and ``original_metadata``. Neither SWMR nor the latest
HDF5 library version is requested, so that all common readers open it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...array_types import Float32
from ...latent_exchange import Axis, image_axes, provenance, signals_of
from ...output_file import whole_or_nothing
from ...verdict import verdict_text

if TYPE_CHECKING:
    from ...latent_map import LatentMap

__all__ = ["SignalFile", "new_file", "write"]

_TOGETHER = 64  # maps that are written in one go
_LONGEST = 60_000  # bytes of an attribute: HDF5 takes 64 kB


class SignalFile:
    """Signals of maps of one kind: ``latent mean``, ``latent std``, where they are known ``fields``, ``field std``.

    Parameters
    ----------
    file
        An empty ``h5py.File``, open for writing.
    first
        The first map: gives grid, units and model of all.
    several
        Whether the signals have a leading axis, along which they grow with `append`.
    scores
        Whether there is also ``out of domain``, the scores of the windows, as a single latent.
    """

    def __init__(self, file: Any, first: LatentMap, *, several: bool, scores: bool = False) -> None:
        self._file, self._first, self._several, self._scores = file, first, several, scores
        file.attrs["file_format"], file.attrs["file_format_version"] = "HyperSpy", "3.1"

    def append(self, maps: Sequence[LatentMap]) -> None:
        """Write `maps` after those that are there; without a leading axis, one map."""
        parts = [self._signals(each) for each in maps]
        for title in parts[0]:
            values = np.stack([part[title] for part in parts])
            name = f"Experiments/{title}/data"
            packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
            if not self._several:
                self._file.create_dataset(name, data=values[0], **packed)
            elif name not in self._file:
                shape = values.shape[1:]
                self._file.create_dataset(name, data=values, maxshape=(None, *shape), chunks=(1, *shape), **packed)
            else:
                data = self._file[name]
                data.resize(len(data) + len(values), axis=0)
                data[-len(values) :] = values

    def finish(
        self, *, leading: Axis | None, about: Mapping[str, Any], notes: str, source: str = "", name: str = ""
    ) -> None:
        """Write axes and metadata of all signals.

        Parameters
        ----------
        leading
            The leading axis, if there is one.
        about
            Text, numbers and arrays of ``metadata/shiftvae``, beside grid, latents and model.
        notes
            Text of ``metadata/General/notes``.
        source
            Name of the file or stream that was mapped.
        name
            What the titles of the signals begin with.
        """
        words = {"software": f"shiftvae-rt {__version__}", **provenance(self._first), **about}
        images = image_axes(self._first)[1 if self._line else 0 :]
        for title, group in self._file["Experiments"].items():
            kind = Axis(name="field" if title.startswith("field") else "latent", units="", scale=1.0, offset=0.0)
            axes = [*([] if leading is None else [leading]), kind, *images]
            navigation = len(axes) - len(images)
            for number, (axis, size) in enumerate(zip(axes, group["data"].shape, strict=True)):
                axis_about = {"_type": "UniformDataAxis", "index_in_array": number, "is_binned": False, "size": size}
                axis_about["navigate"] = number < navigation
                group.create_group(f"axis-{number}").attrs.update({**axis, **axis_about})
            general = {"title": f"{name}{title}", "notes": notes[:_LONGEST], "original_filename": source}
            group.create_group("metadata/General").attrs.update(general)
            group.create_group("metadata/Signal").attrs["signal_type"] = ""
            shiftvae = group.create_group("metadata/shiftvae")
            for key, value in words.items():
                if isinstance(value, np.ndarray):
                    shiftvae.create_dataset(key, data=value)
                else:
                    shiftvae.attrs[key] = value[:_LONGEST] if isinstance(value, str) else value
            group.create_group("original_metadata")

    @property
    def _line(self) -> bool:
        return self._first.grid.frame_shape[0] == 1

    def _signals(self, latent_map: LatentMap) -> dict[str, Float32]:
        """Arrays of one map by the titles of their signals; those of a line signal have no y axis."""
        found = signals_of(latent_map)
        if self._scores and latent_map.window_scores is not None:
            scores = latent_map.window_scores[np.newaxis]
            found["out of domain"] = scores[:, 0] if self._line else scores
        return found


def write(path: Path, maps: Sequence[LatentMap], *, several: bool, source: str) -> None:
    """Write the signals of `maps` with axes (frame), latent or field, y, x; `several` keeps the frame axis."""
    frames = Axis(name="frame", units="", scale=1.0, offset=0.0) if several else None
    verdicts = []
    with whole_or_nothing(path, "h5py") as part, new_file(part) as file:
        signals = SignalFile(file, maps[0], several=several, scores=maps[0].window_scores is not None)
        for first in range(0, len(maps), _TOGETHER):
            some = maps[first : first + _TOGETHER]
            signals.append(some)
            verdicts += [each.domain for each in some]
        about = {
            "out_of_domain": np.array([each is not None and each.out_of_domain for each in verdicts]),
            "domain_score": np.array([np.nan if each is None else each.score for each in verdicts]),
            "domain_reason": "\n".join("" if each is None else each.reason for each in verdicts),
        }
        signals.finish(leading=frames, about=about, notes="\n".join(map(verdict_text, verdicts)), source=source)


@contextmanager
def new_file(path: Path) -> Iterator[Any]:
    """Create an HDF5 file, and give it open for writing; OSError at the end if something could not be written.

    The HDF5 library ends the process if a write fails, so it does not learn of it.
    """
    import h5py

    with _Sink(path, "w+b") as sink:
        with h5py.File(sink, "w") as file:
            yield file
        if sink.failure is not None:
            raise sink.failure


class _Sink(FileIO):
    """A file that keeps the first failure to write to itself."""

    failure: OSError | None = None

    def write(self, content: Any, /) -> int:
        """Write all of `content`; nothing after a failure."""
        rest = memoryview(content).cast("B")
        try:
            while rest and self.failure is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.failure = error
        return memoryview(content).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size; nothing after a failure."""
        try:
            return super().truncate(size) if self.failure is None else 0
        except OSError as error:
            self.failure = error
            return 0
