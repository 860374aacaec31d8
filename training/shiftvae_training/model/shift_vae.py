"""The shift-VAE: an encoder that separates the position of a motif from its appearance, and a decoder that draws it.

Source: Ziatdinov, Wong, Kalinin, MLST 4 (2023) 045033.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .anchor import find_anchor
from .coordinate_decoder import CoordinateDecoder
from .decoder import Decoder, Margins
from .encoder import Encoder
from .encoder_weights import GRAIN, LOG_SCALE, LOG_SD, EncoderWeights
from .grain_shift import GrainShift, grain_codes
from .likelihood import Seen
from .member import Member
from .order import order_at_motif
from .pose import Pose, Posterior, Reported
from .rotation import Rotation
from .rounds import Rounds, images_of_content, make_rounds
from .scale import Scale
from .shift import PlanarShift, Shift, TorusShift
from .template_decoder import TemplateDecoder

__all__ = ["Member", "ShiftVAE"]

#: Number of windows whose templates locate the brightest column.
ANCHORING = 256
#: Number of rows of windows that `ShiftVAE.map_frame` encodes at once.
ROWS = 8


class ShiftVAE(nn.Module):
    """Encoder, decoder and shift of one model.

    Parameters
    ----------
    family
        Name of the encoder family.
    window
        ``(height, width)`` px.
    channel_scale
        Factor of each channel before the encoder.
    shift
        Shift on the torus or on the plane.
    content
        Number of content latents.
    sd_floor
        Smallest standard deviation (after scaling) of a window that is not constant.
    member
        Further latents, decoder, likelihood and classes; how the encoder's features turn.

    Attributes
    ----------
    anchor, anchor_slope
        Position of the motif's brightest column in the template, ``(2,)`` px, and its slope with the content,
        ``(m, 2)`` px. A VAE does not determine this (one column that moves left is equivalent to all others moving
        right); measured once after training, it ties the reported shift to that column. 0 for a motif that turns or
        scales, which has its origin at the centre of that.
    shift_gain
        Ratio ``()`` of the reported shift to the posterior's, which a planar prior draws towards 0.
    noise_sd
        Standard deviation ``()`` of the noise, in units of a window's standard deviation.
    rounds
        Rounds that improve the encoder's latents, made by `set_rounds`; None for a model without them.
    """

    anchor: Tensor
    anchor_slope: Tensor
    shift_gain: Tensor
    noise_sd: Tensor
    decoder: Decoder

    def __init__(
        self,
        family: str,
        window: tuple[int, int],
        channel_scale: tuple[float, ...],
        *,
        shift: Shift,
        content: int,
        sd_floor: float,
        member: Member | None = None,
    ) -> None:
        super().__init__()
        member = Member() if member is None else member
        self.shift, self.content, self.sd_floor = shift, content, sd_floor
        self.window, self.channel_scale = window, channel_scale
        self.further, self.likelihood, self.classes = member.further, member.likelihood, member.classes
        self.order, self.orders = member.order, 0 if member.order is None else member.order.count
        outputs = shift.size + sum(latent.size for latent in self.further) + 3 * self.orders + 2 * content
        self.encoder = Encoder(family, window, len(channel_scale), outputs, member.turn)
        kinds = [latent.kind for latent in self.further]
        least = float(np.exp(LOG_SCALE[0])) if "scale" in kinds else 1.0
        grains = isinstance(shift, GrainShift)
        if isinstance(shift, GrainShift):
            least = 1 / float(torch.linalg.matrix_norm(shift.to_first, ord=2).max())
        margins = Margins(window, shift.reach, turned=grains or "rotation" in kinds, least_scale=least)
        draws = CoordinateDecoder if member.decoder == "coordinate" else TemplateDecoder
        self.decoder = draws(window, len(channel_scale), content, margins, classes=max(1, len(self.classes)))
        if self.orders and isinstance(self.decoder, TemplateDecoder):
            self.decoder.add_order(self.orders)
        self.register_buffer("anchor", torch.zeros(2))
        self.register_buffer("anchor_slope", torch.zeros(content, 2))
        self.register_buffer("shift_gain", torch.ones(()))
        self.register_buffer("noise_sd", torch.full((), 0.3))
        self.rounds: Rounds | None = None

    @property
    def dimensions(self) -> int:
        """1 for signals, 2 for images."""
        return 1 if self.window[0] == 1 else 2

    @property
    def takes_rounds(self) -> bool:
        """True if rounds improve the encoder's latents: for one motif in images that turns or differs in size."""
        return bool(self.further) and not self.classes and self.dimensions == 2

    @property
    def first_content(self) -> int:
        """Number of reported latents before the content."""
        return self.dimensions + isinstance(self.shift, GrainShift) + len(self.further) + 2 * self.orders

    @property
    def reported(self) -> tuple[Reported, ...]:
        """Reported latents in the order of the maps."""
        shift = ("dx",) if self.dimensions == 1 else ("dy", "dx")
        return (
            *(Reported(name, "px", "shift", None) for name in shift),
            *([Reported("grain", "", "grain", None)] if isinstance(self.shift, GrainShift) else []),
            *(Reported(latent.name, latent.unit, latent.kind, latent.period) for latent in self.further),
            *(Reported(f"w{i + 1}{part}", "", "order", None) for i in range(self.orders) for part in ("re", "im")),
            *(Reported(f"z{i + 1}", "", "content", None) for i in range(self.content)),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the reported latents."""
        return tuple(latent.name for latent in self.reported)

    def windows(self, frame: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Normalised windows ``(N, rows, cols, C, h, w)`` of scaled ``frame (N, C, H, W)``, and their sd.

        A window that varies less than `sd_floor`, or than float32 can tell beside its level, is constant: it becomes 0
        and its sd infinite, so that an encoder does not see the rounding of its pixels.
        """
        cut = frame.unfold(2, self.window[0], 1 if self.window[0] == 1 else stride).unfold(3, self.window[1], stride)
        cut = cut.permute(0, 2, 3, 1, 4, 5)
        mean = cut.mean(dim=(-1, -2), keepdim=True)
        cut = cut - mean
        sd = cut.square().mean(dim=(-1, -2, -3)).sqrt()
        least = (GRAIN * mean.abs().amax(dim=(-1, -2, -3))).clamp(min=self.sd_floor)
        sd = torch.where(sd > least, sd, torch.inf)
        return cut / sd[..., None, None, None], sd

    def seen(self, normalised: Tensor, mean: Tensor, sd: Tensor) -> Seen:
        """Observed windows from normalised ``(n, C, h, w)``, scaled ``mean (n, C)`` and ``sd (n,)``."""
        scale = torch.tensor(self.channel_scale)
        sd = torch.where(sd.isinf(), self.sd_floor, sd)
        return Seen(normalised, (mean / scale)[..., None, None], (sd[:, None] / scale)[..., None, None])

    def encode(self, frame: Tensor, sd: Tensor, stride: int) -> Posterior:
        """Posteriors of all windows of ``frame (N, C, H, W)``, shaped ``(N, rows, cols, ...)``."""
        raw = self.encoder(frame, sd, stride)
        pose = [self.shift.size, 3 * self.orders, *(latent.size for latent in self.further)]
        code, order, *further, mean, log_sd = raw.split([*pose, self.content, self.content], dim=-1)
        return Posterior(code, mean, log_sd.clamp(*LOG_SD), tuple(further), order if self.orders else None)

    def pose(self, posterior: Posterior, *, sample: bool = False) -> Pose:
        """Poses of windows ``(n, ...)``: posterior means, or samples if `sample`."""
        shift = self.shift.sample_px(posterior.code) if sample else self.shift.mean_px(posterior.code)
        further = {
            latent.kind: latent.sample(code) if sample else latent.mean(code)
            for latent, code in zip(self.further, posterior.further, strict=True)
        }
        order = order_at_motif(self.order, posterior.order, shift, sample=sample)
        linear = self.shift.linear(posterior.code) if isinstance(self.shift, GrainShift) else None
        return Pose(shift, further.get("rotation"), further.get("scale"), linear, order)

    def pose_at(self, latents: Tensor) -> Pose:
        """Poses of windows with reported ``latents (n, L)``."""
        axes = self.dimensions
        shift = torch.zeros(len(latents), 2)
        shift[:, 2 - axes :] = latents[:, :axes]
        code, place = grain_codes(self.shift, latents), self.shift.offset_px
        shift = shift - place(self.anchor, code) - place(latents[:, self.first_content :] @ self.anchor_slope, code)
        shift = self.shift.wrap_px(shift, code) if isinstance(self.shift, TorusShift) else shift / self.shift_gain
        further = {latent.kind: latent.at(latents[:, axes + i]) for i, latent in enumerate(self.further)}
        order = order_at_motif(self.order, latents[:, axes:], shift)
        linear = self.shift.linear(code) if isinstance(self.shift, GrainShift) else None
        return Pose(shift, further.get("rotation"), further.get("scale"), linear, order)

    def draw(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Windows ``(n, C, h, w)`` with reported ``latents (n, L)``, normalised like those of `windows`."""
        drawing = self.decoder(latents[:, self.first_content :], self.pose_at(latents), label)
        return self.likelihood.windows(drawing, self.noise_sd)

    def read(self, frame: Tensor, sd: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Mean and sd ``(N, rows, cols, L)`` of the reported latents of all windows of ``frame (N, C, H, W)``.

        ``sd (N, rows, cols)`` are the deviations of the windows. The rounds are included.
        """
        mean, std = self.latents(self.encode(frame, sd, stride))
        if self.rounds is None:
            return mean, std
        cut, _ = self.windows(frame, stride)
        found = self.rounds(cut.flatten(0, 2), mean.flatten(0, 2))
        return found[0].view(mean.shape), found[1].view(mean.shape)

    @torch.no_grad()
    def set_rounds(self) -> None:
        """Make the rounds anew from the decoder's template, if the model takes any."""
        if not self.takes_rounds:
            return
        fold = next((latent.fold for latent in self.further if isinstance(latent, Rotation)), 0)
        grows = any(isinstance(latent, Scale) for latent in self.further)
        images = images_of_content(self.decoder, self.content)
        self.rounds = make_rounds(self.window, self.decoder.places(), images, fold=fold, grows=grows)

    def latents(self, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``(..., L)`` of the reported latents; the anchored shift in px comes first."""
        code, place = posterior.code, self.shift.offset_px
        shift = self.shift_gain * self.shift.mean_px(code) + place(self.anchor, code)
        shift = shift + place(posterior.mean @ self.anchor_slope, code)
        if isinstance(self.shift, TorusShift):
            shift = self.shift.wrap_px(shift, code)
        shift = shift[..., 2 - self.dimensions :]
        shift_sd = self.shift_gain * self.shift.std_px(code)[..., 2 - self.dimensions :]
        further = [latent.reported(code) for latent, code in zip(self.further, posterior.further, strict=True)]
        if isinstance(self.shift, GrainShift):
            further.insert(0, (self.shift.label(code).to(shift.dtype), self.shift.chance(code)))
        means, sds = ([pair[i][..., None] for pair in further] for i in (0, 1))
        if self.order is not None and posterior.order is not None:
            means, sds = ([part] for part in self.order.reported(posterior.order))
        return (
            torch.cat([shift, *means, posterior.mean], -1),
            torch.cat([shift_sd, *sds, posterior.log_sd.exp()], -1),
        )

    @torch.no_grad()
    def map_frame(self, frame: NDArray[np.float32], stride: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and sd ``(L, rows, cols)`` of the latents of raw ``frame (C, H, W)``: the reference for exports."""
        scaled = torch.from_numpy(frame)[None] * torch.tensor(self.channel_scale)[:, None, None]
        h = self.window[0]
        rows = []
        for top in range(0, frame.shape[1] - h + 1, ROWS * stride):  # a few rows of windows at a time bound the memory
            strip = scaled[:, :, top : top + h + (ROWS - 1) * stride]
            strip = strip - strip.mean(dim=(-1, -2), keepdim=True)
            _, sd = self.windows(strip, stride)
            rows.append(self.read(strip, sd, stride))
        mean, std = (torch.cat([row[i][0] for row in rows]).permute(2, 0, 1).numpy() for i in (0, 1))
        return mean, std

    @torch.no_grad()
    def set_anchor(self, content: Tensor) -> None:
        """Measure `anchor` and `anchor_slope` on the templates of windows with ``content (n, m)``, see `find_anchor`.

        Only contents that occur are used: beyond them templates are arbitrary. With classes, the templates are of the
        first class, because the encoder does not know the class.
        """
        if self.further:
            return
        probes = content[torch.linspace(0, len(content) - 1, min(len(content), ANCHORING)).long()]
        templates = self.decoder.template(torch.cat([content.mean(0, keepdim=True), probes])).mean(1)
        place, slope = find_anchor(templates.double().numpy(), probes.numpy())
        place = place + [float(axis[0]) for axis in self.decoder.places()]
        if self.dimensions == 1:
            place[0], slope[:, 0] = 0.0, 0.0
        self.anchor.copy_(torch.from_numpy(place))
        self.anchor_slope.copy_(torch.from_numpy(slope))

    def weights(self) -> EncoderWeights:
        """Weights and constants of the encoder, for export."""
        head = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in self.encoder.linears]
        gain = float(self.shift_gain)
        lattice = self.shift.vectors.double().numpy() if isinstance(self.shift, TorusShift) else np.zeros((0, 2))
        return EncoderWeights(
            window=self.window,
            stem=self.encoder.stem_layers(),
            stem_relu=self.encoder.stem_relu,
            stem_bias=None if self.encoder.bias is None else self.encoder.bias.detach().numpy(),
            head=tuple(head),
            lattice=lattice,
            cells=self.shift.cells.double().numpy() if isinstance(self.shift, GrainShift) else None,
            planar_prior_px=gain * self.shift.width_px if isinstance(self.shift, PlanarShift) else 0.0,
            planar_reach_px=gain * self.shift.reach_px if isinstance(self.shift, PlanarShift) else 0.0,
            fold=next((latent.fold for latent in self.further if isinstance(latent, Rotation)), 0),
            scale_prior=next((latent.prior for latent in self.further if isinstance(latent, Scale)), 0.0),
            orders=self.orders,
            turn=self.encoder.turn(),
            content=self.content,
            anchor=self.anchor.numpy().astype(np.float64),
            anchor_slope=self.anchor_slope.numpy().astype(np.float64),
            channel_scale=self.channel_scale,
            sd_floor=self.sd_floor,
        )
