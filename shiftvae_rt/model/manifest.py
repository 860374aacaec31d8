"""The manifest of a model file: what the model is, what it expects and how it was made."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..errors import ModelFileError

#: Kinds of latents, in the order that they have in a model.
KINDS = ("shift", "grain", "rotation", "scale", "order", "content")
#: Least information about a window, nats, that a content latent carries if the model uses it.
USED_NATS = 0.1
#: Least information about a window, nats, that a shift carries if the windows show where the motif sits.
USED_SHIFT_NATS = 0.5

__all__ = ["DataSource", "Domain", "Grain", "Imported", "Intensity", "Latent", "Manifest", "Member", "Training"]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the structs of the manifest: fields without a default are required, an unknown one is an error."""


class Member(_Strict, frozen=True):
    """Size and SHA-256 of one member of the zip."""

    size: int
    sha256: str


class Latent(_Strict, frozen=True):
    """One latent: its name, its unit, and what it stands for.

    ``kl_nats`` is the mean information that it carries about a window; a content latent near 0 was not used.
    ``spread`` is the standard deviation of its mean over the training windows, in its unit. ``period`` is the period of
    an angle, in its unit; shift latents have none here, since the lattice is their period. A grain is the number of one
    of the manifest's `grains`, -1 where none of them fits; its deviation is the chance that it is another.
    """

    name: str
    unit: str
    kind: Literal["shift", "grain", "rotation", "scale", "order", "content"]
    kl_nats: float
    spread: float
    period: float | None = None


class Intensity(_Strict, frozen=True):
    """Scaling of raw detector units for the network: ``(raw - offset) * scale``, then `normalisation`.

    Each window is normalised by itself: ``"zscore"`` removes each channel's mean and divides all channels by one
    standard deviation, no less than `sd_floor`; ``"minmax"`` scales each channel to 0..1; ``"none"`` does nothing.
    """

    normalisation: Literal["zscore", "minmax", "none"]
    channel_offset: tuple[float, ...]
    channel_scale: tuple[float, ...]
    sd_floor: float


class DataSource(_Strict, frozen=True):
    """One file that the model was trained on."""

    name: str
    sha256: str
    frames: int
    shape: tuple[int, ...]
    dtype: str


class Training(_Strict, frozen=True):
    """The training of the model, and its scores on held-out regions.

    ``sd_scale`` holds the factor of each latent (``"shift"`` for all shift latents) by which the posterior deviations
    were multiplied to be calibrated; the graphs include it. It is empty where it was not measured. ``classes`` are the
    names of the classes in the decoder's input, in order; empty for a model without classes. ``choices`` says what was
    chosen from the frames, and why.
    ``kl_shift`` and ``kl_content`` are the weights of the divergences from the priors. ``started_from`` is the SHA-256
    of the model file that training went on from; empty for a new model.
    """

    seed: int
    seconds: float
    steps: int
    windows: int
    held_out_loss: float
    noise_sd: float
    shift_prior: str
    constraints: dict[str, float]
    period_confidence: float
    period_reason: str
    window_mean: tuple[float, float]
    window_sd: tuple[float, float]
    sd_scale: dict[str, float] = {}
    decoder: str = "template"
    likelihood: str = "gaussian"
    classes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    kl_shift: float = 1.0
    kl_content: float = 1.0
    started_from: str = ""


class Imported(_Strict, frozen=True):
    """Origin of the weights of a model that was not trained by this package.

    ``priors`` are as in the other package, that of the shift in half windows; ``scaling`` says in words how intensity
    is scaled.
    """

    package: str
    weights: str
    sha256: str
    network: str
    priors: dict[str, float]
    scaling: str


class Grain(_Strict, frozen=True):
    """Lattice of one grain, in the basis in which its motif is that of the first grain.

    Attributes
    ----------
    vectors
        Lattice vectors ``(y, x)``, px.
    turn_deg
        Misorientation: turn against the first grain, degrees, counter-clockwise as seen.
    mirrored
        Whether it is also mirrored; then the turn is that of the first vector, modulo 180 degrees.
    share
        Share of the training frames that it covers.
    strain
        ``(2, 2)`` mean displacement in px for a px along y and x, against `vectors`.
    """

    vectors: tuple[tuple[float, float], tuple[float, float]]
    turn_deg: float
    mirrored: bool
    share: float
    strain: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))


class Domain(_Strict, frozen=True):
    """Statistics of the training windows, and limits for those of other frames; see `domain`.

    Attributes
    ----------
    centre, whitening
        ``(K,)`` mean of the features of a window, and the matrix ``(K, K)`` that turns their distance from it into a
        score: a window with a score above 1 is unlike 99 % of those of the training data.
    most_windows_out
        Largest share of such windows in a frame.
    strain, most_strain
        ``(axes, axes)`` mean displacement in px for a px along each axis, against the mean lattice, and the largest
        difference from it.
    structure, most_structure
        Covariance of neighbouring pixels of the decoder's residual, and the largest excess over it; in units of a
        window's variance.
    """

    centre: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    most_windows_out: float
    strain: tuple[tuple[float, ...], ...]
    most_strain: float
    structure: float
    most_structure: float


class Manifest(_Strict, frozen=True):
    """Everything that a runtime or a reader needs to know about a model file.

    Attributes
    ----------
    format
        Version of the file format.
    dimensions
        1 for signals, 2 for images.
    channels
        Number of channels of a frame.
    window
        ``(height, width)`` of a window in px.
    strides
        Strides in px that have an encoder graph.
    encoder
        Family of the encoder.
    latents
        Latents in the order of the encoder's outputs: shift, grain, rotation, scale, order, content (an imported
        model may have no shift).
    lattice
        Lattice vectors ``(y, x)`` in px, modulo which the shift is known; empty for a planar shift. With several
        grains, those of the first.
    grains
        Lattices of all grains, the largest grain first; empty for a single one.
    superlattice
        Superlattice vectors of the order latents, in reciprocal vectors of the lattice, each in -1/2 .. 1/2. Each has
        two latents, real and imaginary part of its amplitude at the window's centre; see `FieldStream`.
    intensity
        Scaling that the graph applies.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel of the training data, nm, if known.
    training, imported
        How the model was made; one of the two is None.
    data
        Files that it was trained on; for an imported model, files that it was tried on.
    versions, git_commit, created
        Versions of the packages, commit of this one, and date, as text.
    domain
        Limits that tell frames unlike the training data; None where these were not available.
    members
        Size and hash of every other file in the zip.
    """

    format: Literal["shiftvae-model-3"]
    dimensions: Literal[1, 2]
    channels: int
    window: tuple[int, int]
    strides: tuple[int, ...]
    encoder: str
    latents: tuple[Latent, ...]
    lattice: tuple[tuple[float, float], ...]
    grains: tuple[Grain, ...]
    intensity: Intensity
    pixel_size_nm: tuple[float, float] | None
    training: Training | None
    imported: Imported | None
    data: tuple[DataSource, ...]
    versions: dict[str, str]
    git_commit: str
    created: str
    members: dict[str, Member]
    domain: Domain | None
    superlattice: tuple[tuple[float, float], ...]

    @property
    def varies(self) -> tuple[bool, ...]:
        """True for each latent in which training found variation."""
        return tuple(latent.kind in ("shift", "grain") or latent.kl_nats >= USED_NATS for latent in self.latents)

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Decode and check the JSON `data`.

        Raises
        ------
        ModelFileError
            for a field that is missing, unknown or of the wrong type, and for fields that contradict each other.
        """
        try:
            manifest = msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise ModelFileError(f"manifest.json: {error}: the file is damaged or of another version") from error
        manifest._check()
        return manifest

    def to_json(self) -> bytes:
        """Encode as readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    def _check(self) -> None:
        problems = []
        if self.channels < 1 or min(self.window) < 1 or max(self.window) > 1024:
            problems.append(f"channels {self.channels}, window {self.window}")
        if self.dimensions == 1 and self.window[0] != 1:
            problems.append(f"a 1D model with a window {self.window[0]} px high")
        if not self.strides or list(self.strides) != sorted(set(self.strides)) or self.strides[0] < 1:
            problems.append(f"strides {self.strides}")
        shifts = [latent.name for latent in self.latents if latent.kind == "shift"]
        wanted = ["dy", "dx"] if self.dimensions == 2 else ["dx"]
        if shifts != wanted and not (self.imported and not shifts):
            problems.append(f"shift latents {shifts}")
        two_vectors = len(self.lattice) == 2
        order = [KINDS.index(latent.kind) for latent in self.latents]
        if order != sorted(order) or max(order.count(i) for i in (1, 2, 3)) > 1:
            problems.append(f"latents that are not in the order {', '.join(KINDS)}")
        if order.count(1) != bool(self.grains) or len(self.grains) == 1:
            problems.append(f"{len(self.grains)} grains, {order.count(1)} latents of that kind")
        elif self.grains and (self.grains[0].vectors != self.lattice or self.dimensions == 1):
            problems.append(f"lattice {self.lattice}, but {self.grains[0].vectors} in grain 0")
        if order.count(KINDS.index("order")) != 2 * len(self.superlattice) or (self.superlattice and not two_vectors):
            problems.append(
                f"{order.count(KINDS.index('order'))} order latents for {len(self.superlattice)} superlattice vectors"
            )
        if len({latent.name for latent in self.latents}) != len(self.latents):
            problems.append("two latents of one name")
        scales, offsets = self.intensity.channel_scale, self.intensity.channel_offset
        if not len(scales) == len(offsets) == self.channels:
            problems.append(f"{len(scales)} channel scales, {len(offsets)} offsets")
        if (self.training is None) == (self.imported is None):
            problems.append("neither trained nor imported" if self.training is None else "trained and imported")
        if self.domain is not None:
            sizes = {len(self.domain.centre), len(self.domain.whitening), *map(len, self.domain.whitening)}
            if len(sizes) != 1:
                problems.append(f"domain: centre and whitening of sizes {sorted(sizes)}")
        if len(self.intensity.channel_scale) != self.channels:
            problems.append(f"{len(self.intensity.channel_scale)} channel scales")
        if problems:
            raise ModelFileError(f"manifest.json contradicts itself ({'; '.join(problems)}): export the model again")
