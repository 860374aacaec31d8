"""The latent map: a mean and a standard deviation for every latent and every window of a frame.

A client receives maps without the compiled core, so kernels and pictures are imported by the methods that use them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import FrameError
from .fields import Fields, MeanLattice
from .frame import Frame, pixel_size_text
from .kernels.window_grid import WindowGrid
from .verdict import DomainVerdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .domain import DomainGauge

__all__ = ["LatentMap"]


@dataclass(frozen=True, repr=False)
class LatentMap:
    """Latent values of the windows of one frame, or of a band of its window rows.

    Attributes
    ----------
    mean, std
        ``(latent, rows, cols)`` float32: posterior mean and standard deviation, in `units`. Shift latents come first:
        the position of the motif relative to the window's centre (y down, x right), modulo the lattice. A model with
        several grains has ``grain`` next: the number of the lattice, -1 where none fits, and as its deviation the
        chance that it is another. Where the model
        has them, ``phi`` follows, the rotation of the motif (counter-clockwise as seen), and ``scale``, its
        enlargement.
    names, units
        Names and units of the latents: ``"dy", "dx", "grain", "phi", "scale", "z1", ...`` and ``"px"``, ``"deg"``,
        ``"%"`` or ``""``.
    varies
        False for a content latent in which training found no variation: its map is noise.
    grid
        The windows of the whole frame; gives the centres in px.
    first_row
        Index of this band's first row in the grid; 0 for a whole frame.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel of the frame, nm; None if unknown.
    model_sha256
        Hash of the model file that made it.
    domain
        Verdict on whether the frame, or what has come of it, is like the training data; None in the first eighth of a
        frame, and for a model that does not know its domain.
    lattice
        Mean lattice of the training scan, against which `fields` are measured; None for a model without a lattice of
        two vectors.
    gauge
        Scores single windows, where `domain` is known and the map did not come over the network.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    names: tuple[str, ...]
    units: tuple[str, ...]
    varies: tuple[bool, ...]
    grid: WindowGrid
    model_sha256: str
    pixel_size_nm: tuple[float, float] | None = None
    first_row: int = 0
    domain: DomainVerdict | None = None
    lattice: MeanLattice | None = None
    gauge: DomainGauge | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        _, rows, cols = self.mean.shape
        size = "px" if self.pixel_size_nm is None else pixel_size_text(self.pixel_size_nm)
        about = f"{', '.join(self.names)}: {rows} x {cols} windows, stride {self.grid.stride} px of {size}"
        if self.domain is not None and self.domain.out_of_domain:
            about += f", out of domain: {self.domain.reason}"
        return f"<LatentMap {about}, model {self.model_sha256[:8]}>"

    @cached_property
    def fields(self) -> Fields | None:
        """Displacement, strain and rotation of the lattice, and order on it, for a complete map.

        None for a band of rows (see `ScanMapper.new_fields`), and where there is no `lattice`.
        """
        if self.lattice is None or self.mean.shape[1] != self.grid.rows:
            return None
        from .kernels.lattice_fields import FieldStream

        return FieldStream(self.grid, self.lattice).push(self.mean, self.std)

    @property
    def grain(self) -> NDArray[np.int8] | None:
        """Grain of every window, int8 ``(rows, cols)``; -1 where no lattice fits. None for a model of one grain."""
        return self["grain"].astype(np.int8) if "grain" in self.names else None

    @cached_property
    def window_scores(self) -> NDArray[np.float32] | None:
        """Scores ``(rows, cols)`` of the windows, None without a `gauge`.

        A window with a score above 1 is unlike 99 % of those of the training data.
        """
        return None if self.gauge is None else self.gauge.score_windows(self.mean, self.std)

    @property
    def complete(self) -> bool:
        """True when the map includes the last window row of the frame."""
        return bool(self.first_row + self.mean.shape[1] == self.grid.rows)

    @property
    def centre_y_px(self) -> NDArray[np.float64]:
        """Positions of the window centres of these rows along y, ``(rows,)``, px."""
        return self.grid.centre_y_px[self.first_row : self.first_row + self.mean.shape[1]]

    @property
    def centre_x_px(self) -> NDArray[np.float64]:
        """Positions of the window centres along x, ``(cols,)``, px."""
        return self.grid.centre_x_px

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Mean map of the latent called `name`, ``(rows, cols)``; KeyError lists the names."""
        if name not in self.names:
            raise KeyError(f"no latent {name!r}: this map has {', '.join(self.names)}")
        band: NDArray[np.float32] = self.mean[self.names.index(name)]
        return band

    def on_pixels(self, *, threads: int = 1) -> NDArray[np.float32]:
        """Mean on the frame's own pixels, ``(latent, height, width)`` float32; NaN where no window reaches.

        Every pixel is the mean over the windows that cover it, weighted by posterior precision ``1 / std**2``.
        Only scale and content may be averaged so: the maps of shift, angle and order, being periodic, are NaN.

        Parameters
        ----------
        threads
            Number of threads, 1 to 256.

        Raises
        ------
        FrameError
            for a band of a frame that is not complete.
        """
        from .kernels.assembly import assemble_latent_map

        pixels = np.full((len(self.names), *self.grid.frame_shape), np.nan, np.float32)
        content = self._content()
        precision = 1 / np.square(self.std[content], dtype=np.float64)
        pixels[content] = assemble_latent_map(self._whole().mean[content], precision, self.grid, threads=threads)
        return pixels

    def at_motifs(self, *, threads: int = 1) -> NDArray[np.float32]:
        """Scale and content at the motifs (window centre + shift), ``(latent, height, width)`` float32.

        Latents are those other than shift, grain, angle and order; NaN between motifs.

        Parameters
        ----------
        threads
            Number of threads, 1 to 256.

        Raises
        ------
        FrameError
            for a band of a frame that is not complete.
        """
        from .kernels.assembly import place_at_motifs

        whole = self._whole()
        content = self._content()
        precision = 1 / np.square(self.std[content], dtype=np.float64)
        shift_y = whole["dy"] if "dy" in self.names else np.zeros(whole.mean.shape[1:], np.float32)
        return place_at_motifs(whole.mean[content], precision, self.grid, shift_y, whole["dx"], threads=threads)

    def plot(self, frame: Frame | ArrayLike | None = None, *, raw_shifts: bool = False) -> Figure:
        """Draw content and fields as images with colour and scale bars (a line signal as a curve).

        Parameters
        ----------
        frame
            The frame that was mapped, drawn beside its maps: raw detector units, ``(height, width)`` or
            ``(channels, height, width)``.
        raw_shifts
            Whether to draw the shifts ``dy, dx`` too, which repeat with the lattice.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; elsewhere, ``savefig("maps.png")``. Colours are those of `colours.colour_table`.

        Raises
        ------
        ImportError
            if matplotlib is missing.
        FrameError
            if `frame` is not a frame, or of another shape than the one that was mapped.
        """
        from .pictures.latent_panels import draw_latent_map

        return draw_latent_map(self, frame=None if frame is None else self._mapped(frame), raw_shifts=raw_shifts)

    def to_xarray(self) -> Any:
        """Copy into an xarray ``Dataset``: ``mean`` and ``std`` over ``(latent, y, x)``, y and x in nm or px.

        Raises
        ------
        ImportError
            if xarray is missing.
        """
        from .latent_exchange import as_xarray

        return as_xarray(self)

    def to_hyperspy(self) -> Any:
        """Copy into a HyperSpy signal: the means over (latent | x, y), the squares of `std` as noise variance.

        The fields are a second signal, over (field | x, y), in its ``metadata.shiftvae.fields``.

        Raises
        ------
        ImportError
            if HyperSpy is missing.
        """
        from .latent_exchange import as_hyperspy

        return as_hyperspy(self)

    def _repr_html_(self) -> str:
        from .pictures.notebook import table_and_picture

        return table_and_picture(repr(self), self.plot if self.mean.size else None)

    def _mapped(self, frame: Frame | ArrayLike) -> Frame:
        """Give `frame` as a `Frame`, if it has the shape that was mapped."""
        frame = frame if isinstance(frame, Frame) else Frame(np.asarray(frame))
        expected = self.grid.frame_shape[1:] if self.grid.frame_shape[0] == 1 else self.grid.frame_shape
        if frame.pixels.shape[-len(expected) :] != expected:
            raise FrameError(f"expected the frame that was mapped, of {expected} px, got shape {frame.pixels.shape}")
        return frame

    def _content(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if name not in ("dy", "dx", "grain", "phi") and name[0] != "w"]

    def _whole(self) -> LatentMap:
        if self.mean.shape[1] != self.grid.rows:
            raise FrameError(
                f"expected all {self.grid.rows} rows of the map, got rows {self.first_row} to "
                f"{self.first_row + self.mean.shape[1]}: wait until the scan is complete"
            )
        return self
