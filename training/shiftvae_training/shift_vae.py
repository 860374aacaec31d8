"""The shift-VAE: an encoder that tells where the motif sits from what it looks like, and a decoder that draws it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .encoder_graph import LOG_SD, EncoderWeights
from .networks import Encoder, TemplateDecoder
from .shift import PlanarShift, Shift, TorusShift

__all__ = ["Posterior", "ShiftVAE"]


@dataclass(frozen=True)
class Posterior:
    """What the encoder says of windows: the shift's raw code, and the content's mean and log sd, each ``(..., n)``."""

    code: Tensor
    mean: Tensor
    log_sd: Tensor

    def __getitem__(self, index: object) -> Posterior:
        """Pick windows."""
        return Posterior(self.code[index], self.mean[index], self.log_sd[index])  # type: ignore[index]


class ShiftVAE(nn.Module):
    """Encoder, decoder and shift of one model.

    Parameters
    ----------
    family
        Encoder family.
    window
        ``(height, width)`` px.
    channel_scale
        Scale of each channel before the encoder.
    shift
        Torus or plane.
    content
        Number of content latents.
    sd_floor
        Least standard deviation (after scaling) that a window is divided by.

    Attributes
    ----------
    anchor, anchor_slope
        Where the motif's brightest column lies in the template, ``(2,)`` px, and how that moves with the content,
        ``(m, 2)``. A VAE leaves this open (a column that moves left is the same as all others that move right);
        measured once after training, it ties the reported shift to that column.
    noise_sd
        Of the likelihood, ``()``, in units of a window's standard deviation.
    """

    anchor: Tensor
    anchor_slope: Tensor
    noise_sd: Tensor

    def __init__(
        self,
        family: str,
        window: tuple[int, int],
        channel_scale: tuple[float, ...],
        *,
        shift: Shift,
        content: int,
        sd_floor: float,
    ) -> None:
        super().__init__()
        self.shift, self.content, self.sd_floor = shift, content, sd_floor
        self.window, self.channel_scale = window, channel_scale
        self.encoder = Encoder(family, window, len(channel_scale), shift.size + 2 * content)
        self.decoder = TemplateDecoder(window, len(channel_scale), content, shift.reach)
        self.register_buffer("anchor", torch.zeros(2))
        self.register_buffer("anchor_slope", torch.zeros(content, 2))
        self.register_buffer("noise_sd", torch.full((), 0.3))

    @property
    def dimensions(self) -> int:
        """1 for signals, 2 for images."""
        return 1 if self.window[0] == 1 else 2

    def windows(self, frame: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Windows ``(N, rows, cols, C, h, w)`` of scaled ``frame (N, C, H, W)``, divided by their sd, and that sd."""
        cut = frame.unfold(2, self.window[0], 1 if self.window[0] == 1 else stride).unfold(3, self.window[1], stride)
        cut = cut.permute(0, 2, 3, 1, 4, 5)
        cut = cut - cut.mean(dim=(-1, -2), keepdim=True)
        sd = cut.square().mean(dim=(-1, -2, -3)).sqrt().clamp(min=self.sd_floor)
        return cut / sd[..., None, None, None], sd

    def encode(self, frame: Tensor, sd: Tensor, stride: int) -> Posterior:
        """Posteriors of all windows of ``frame (N, C, H, W)``, shaped ``(N, rows, cols, ...)``."""
        raw = self.encoder(frame, sd, stride)
        code, mean, log_sd = raw.split([self.shift.size, self.content, self.content], dim=-1)
        return Posterior(code, mean, log_sd.clamp(*LOG_SD))

    def latents(self, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """Reported latents ``(..., L)``: mean and standard deviation, shift (anchored, px) first."""
        shift = self.shift.mean_px(posterior.code) + self.anchor + posterior.mean @ self.anchor_slope
        if isinstance(self.shift, TorusShift):
            shift = self.shift.wrap_px(shift)
        shift = shift[..., 2 - self.dimensions :]
        shift_sd = self.shift.std_px(posterior.code)[..., 2 - self.dimensions :]
        return torch.cat([shift, posterior.mean], -1), torch.cat([shift_sd, posterior.log_sd.exp()], -1)

    @torch.no_grad()
    def map_frame(self, frame: NDArray[np.float32], stride: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Latents ``(L, rows, cols)`` of raw ``frame (C, H, W)``, mean and sd; what exports are compared with."""
        scaled = torch.from_numpy(frame)[None] * torch.tensor(self.channel_scale)[:, None, None]
        h = self.window[0]
        rows = []
        for top in range(0, frame.shape[1] - h + 1, stride):  # one row of windows at a time bounds the memory
            strip = scaled[:, :, top : top + h]
            strip = strip - strip.mean(dim=(-1, -2), keepdim=True)
            _, sd = self.windows(strip, stride)
            rows.append(self.latents(self.encode(strip, sd, stride)))
        mean, std = (torch.cat([row[i][0] for row in rows]).permute(2, 0, 1).numpy() for i in (0, 1))
        return mean, std

    @torch.no_grad()
    def set_anchor(self, content_sd: Tensor) -> None:
        """Measure `anchor` and `anchor_slope` on templates, at up to two deviations ``content_sd (m,)`` of content."""
        probes = torch.cat(
            [torch.zeros(1, self.content), *[f * torch.diag(content_sd) for f in (-2.0, -1.0, 1.0, 2.0)]]
        )
        y, x = (place.numpy() for place in self.decoder.places())
        templates = self.decoder.template(probes).mean(1).numpy()
        start = _brightest(templates[0], y, x, None)
        peaks = np.array([_brightest(t, y, x, start) for t in templates])
        design = np.concatenate([np.ones((len(probes), 1)), probes.numpy()], axis=1)
        fit = np.linalg.lstsq(design, peaks, rcond=None)[0]
        self.anchor.copy_(torch.from_numpy(fit[0]))
        self.anchor_slope.copy_(torch.from_numpy(fit[1:]))
        if self.dimensions == 1:
            self.anchor[0], self.anchor_slope[:, 0] = 0.0, 0.0

    def weights(self) -> EncoderWeights:
        """All numbers of the encoder, for export."""
        head = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in self.encoder.linears]
        bias = self.encoder.bias
        lattice = self.shift.vectors.numpy() if isinstance(self.shift, TorusShift) else np.zeros((0, 2))
        return EncoderWeights(
            window=self.window,
            stem=self.encoder.stem_layers(),
            stem_relu=self.encoder.stem_relu,
            stem_bias=None if bias is None else bias.detach().numpy(),
            head=tuple(head),
            lattice=lattice.astype(np.float64),
            planar_prior_px=self.shift.prior_px if isinstance(self.shift, PlanarShift) else 0.0,
            content=self.content,
            anchor=self.anchor.numpy().astype(np.float64),
            anchor_slope=self.anchor_slope.numpy().astype(np.float64),
            channel_scale=self.channel_scale,
            sd_floor=self.sd_floor,
        )


def _brightest(
    template: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32], near: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Position (y, x) of the brightest column, px from the template's middle; within 3 px of `near` if given.

    The maximum of the smoothed template, refined by a parabola along each axis.
    """
    size = (min(3, len(y)), 3)
    padded = np.pad(template, [(n // 2, n // 2) for n in size], mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, size).mean(axis=(-1, -2))
    middle = (y[:, None] - (near[0] if near is not None else 0)) ** 2 + (x - (near[1] if near is not None else 0)) ** 2
    if near is None:  # among equal columns, the one closest to the middle
        masked = smooth - 1e-3 * float(np.ptp(smooth)) * np.sqrt(middle)
    else:
        masked = np.where(middle <= 9.0, smooth, -np.inf)
    row, col = np.unravel_index(int(np.argmax(masked)), smooth.shape)
    return np.array([y[row] + _parabola(smooth[:, col], int(row)), x[col] + _parabola(smooth[row], int(col))])


def _parabola(values: NDArray[np.float32], at: int) -> float:
    """Offset of the vertex of the parabola through `at` and its neighbours."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(v) for v in values[at - 1 : at + 2])
    curvature = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0
