"""TIFF images and stacks, calibrated by ImageJ, OME or FEI. The resolution tag alone is meant for printers."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError
from ..axes import Arranged, layout_of
from ..interleaved import sample_names, take_samples
from ..recording import LazyPixels, Recording, choose
from .tiff_calibration import pixel_size_nm

__all__ = ["read"]

#: Photometric interpretations that are read.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
#: Tags of an alpha sample, premultiplied or not. 0 is an unspecified sample, perhaps a detector.
ALPHA = (1, 2)


def read(path: Path, wanted: str | None) -> Recording:
    """Open the only series, or the one whose number is `wanted`.

    Samples of a pixel are colours or alpha if the tags say so. Others may be detectors: ``::0`` or ``::all`` chooses
    (``::SERIES/0`` in a file of several series).
    """
    import tifffile

    with _whole_chain(path), tifffile.TiffFile(path) as file:
        offered: dict[str, tuple[int, str | None]] = {}
        numbers = [number for number, series in enumerate(file.series) if series.dtype.kind in "uifb"]
        for number in numbers:
            samples = _samples(path, file.series[number])
            if samples in (None, "grey", "0"):
                offered[str(number)] = (number, samples)
            else:
                names = sample_names(file.series[number].keyframe.samplesperpixel)
                offered |= {f"{number}/{name}" if len(numbers) > 1 else name: (number, name) for name in names}
        labels = list(offered)
        number, sample = offered[labels[choose(path, labels, wanted, _what(offered))]]
        series = file.series[number]
        size_nm = pixel_size_nm(file, number)
        end = max((offset + count for page in series.pages for offset, count in _segments(page)), default=0)
        if end > path.stat().st_size:
            raise DataFileError(
                f"{path} is truncated: its pages reach to byte {end}, it ends at {path.stat().st_size}: copy it again"
            )
        metadata: dict[str, Any] = {}
        axes, convert = series.axes, _conversion(file, series)
        if sample is not None:  # such files are pictures, and small
            pixels, metadata["colour"] = take_samples(np.moveaxis(_decoded(series), axes.index("S"), -1), sample)
            axes = axes.replace("S", "") if sample != "all" else axes.replace("S", "").replace("YX", "CYX")
            pixels = pixels if convert is None else convert(pixels)
            return Recording(Arranged(pixels, layout_of(list(axes))), 2, size_nm, metadata)
        if len(axes) < 2:
            return Recording(_decoded(series), None, size_nm, metadata)
        source: LazyPixels = _Pages(file, series)
        if series.dataoffset is not None:  # contiguous and not compressed
            source = np.memmap(path, np.dtype(file.byteorder + series.dtype.char), "r", series.dataoffset, series.shape)
    return Recording(Arranged(source, layout_of(list(axes)), convert=convert), 2, size_nm, metadata)


class _Pages:
    """A compressed or scattered series in its own order; a frame is read from its pages alone.

    The series knows where its pages are; the file stays open as long as they are used.
    """

    def __init__(self, file: Any, series: Any) -> None:
        self._handle = file.filehandle
        self._closed = weakref.finalize(self, self._handle.close)
        self._series, self.shape = series, tuple(series.shape)
        self._leading = self.shape[: len(self.shape) - len(series.keyframe.shape)]

    def __getitem__(self, index: Any, /) -> Any:
        self._handle.open()  # `read` has closed it; where it is open, nothing happens
        series, leading = self._series, self._leading
        if len(series.pages) != prod(leading) or not isinstance(index, tuple):
            return _decoded(series)[index]
        pages = np.arange(prod(leading)).reshape(leading)[index[: len(leading)]]
        images = [_decoded(series.pages[int(page)]) for page in pages.flat]
        stack = np.stack(images).reshape(*pages.shape, *self.shape[len(leading) :])
        return stack[(slice(None),) * pages.ndim + index[len(leading) :]]


@contextmanager
def _whole_chain(path: Path) -> Iterator[None]:
    """Raise if the chain of pages is broken: tifffile only logs it, and gives the pages before the break."""
    logged: list[str] = []
    log, handler = logging.getLogger("tifffile"), logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    propagated, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagated
    if broken := [text for text in logged if "TiffPages" in text]:
        raise DataFileError(f"{path} is truncated or damaged after some of its pages ({broken[0]}): copy it again")


def _samples(path: Path, series: Any) -> str | None:
    """Say what to take of the samples of a pixel: None if there is one, "ask" if no tag tells."""
    page = series.keyframe
    known = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR)
    if page.photometric not in known:
        kind = getattr(page.photometric, "name", page.photometric)
        raise DataFileError(f"{path} holds {kind} pixels, expected grey values or RGB: convert it to grey first")
    if "S" not in series.axes:
        return None
    extra = page.extrasamples
    beside_alpha = page.samplesperpixel - sum(sample in ALPHA for sample in extra)
    # tifffile tags a stack of three images as colour planes; colour pictures have 8 bits or are interleaved
    picture = series.dtype == np.uint8 or (series.dtype.kind == "u" and page.planarconfig == 1)
    if page.photometric in (RGB, YCBCR) and beside_alpha == 3 and picture:
        return "grey"
    return "0" if page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and beside_alpha == 1 else "ask"


def _what(offered: dict[str, tuple[int, str | None]]) -> str:
    return "series" if len({number for number, _ in offered.values()}) == len(offered) else "sample"


def _conversion(file: Any, series: Any) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Give the conversion of stored numbers to brightness; None if they are brightness."""
    page = series.keyframe
    if page.photometric == WHITE_IS_ZERO:
        return partial(_inverted, bits=int(np.max(page.bitspersample)))
    if (
        page.photometric == PALETTE and not file.is_imagej
    ):  # ImageJ's palette colours what is drawn, not what was measured
        return partial(_looked_up, table=np.asarray(page.colormap))
    return None


def _inverted(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    if pixels.dtype == bool:
        return ~pixels
    if pixels.dtype.kind == "u":
        return np.asarray(pixels.dtype.type(2**bits - 1) - pixels)
    return -pixels


def _looked_up(pixels: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    return take_samples(np.moveaxis(table[:, pixels], 0, -1), "grey")[0]


def _decoded(part: Any) -> NDArray[Any]:
    """Decode a page or series; if its compression needs imagecodecs, the error names the extra to install."""
    try:
        return np.asarray(part.asarray())
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise ModuleNotFoundError(str(error), name="imagecodecs") from error
        raise


def _segments(page: Any) -> list[tuple[int, int]]:
    return [] if page is None else list(zip(page.dataoffsets, page.databytecounts, strict=True))
