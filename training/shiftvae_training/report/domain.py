"""The report's section on the domain: which frames the runtime accepts as frames of the same kind of sample."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shiftvae_rt.domain import DomainGauge
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Domain, Manifest
from shiftvae_rt.pictures.figure import colour_map
from shiftvae_rt.pictures.scale_bar import draw_scale_bar

from .figure_style import ACCENT, FAINT, data_uri
from .page import figure, paragraph, table

__all__ = ["domain_section"]


def domain_section(manifest: Manifest, latent_map: LatentMap) -> str:
    """Section with the limits of the verdict and the scores of the windows in `latent_map`, a training frame's."""
    domain = manifest.domain
    if domain is None:
        return paragraph("The domain of this model was not measured: no alarm is raised.")
    gauge = DomainGauge(manifest, domain, latent_map.grid.stride)
    scores = gauge.score_windows(latent_map.mean, latent_map.std)
    caption = (
        "Score of each window, as a map and as a histogram. The threshold of 1 is the score that 99 % of the training "
        "windows stay below."
    )
    note = (
        "The runtime says of every frame whether it is of the kind that the model was trained on. A frame is out of "
        "domain when one check exceeds its limit; its score is the worst check in units of its limit. The limits are "
        "what regions of the training data stay within, plus a margin."
    )
    return "\n".join(
        [
            paragraph(note),
            table(("check of a frame", "training data", "limit"), _limits(domain)),
            figure(data_uri(_draw(scores, latent_map)), "scores of the windows", caption),
        ]
    )


def _limits(domain: Domain) -> list[tuple[str, str, str]]:
    strain = 100 * float(np.abs(domain.strain).max())
    return [
        ("period: strain against the mean lattice", f"{strain:.2f} %", f"{100 * domain.most_strain:.2f} % away"),
        (
            "motif: structured residual, share of a window's variance",
            f"{100 * domain.structure:.2f} %",
            f"{100 * domain.most_structure:.2f} % more",
        ),
        ("windows with a score beyond 1", "1 %", f"{100 * domain.most_windows_out:.0f} %"),
    ]


def _draw(scores: NDArray[np.float32], latent_map: LatentMap) -> Figure:
    chart = Figure(figsize=(6.4, 2.4), layout="constrained")
    here, often = chart.subplots(1, 2)
    height, width = latent_map.pixel_size_nm or (1.0, 1.0)
    rows, cols = (n * latent_map.grid.stride for n in scores.shape)
    extent = (0, cols, 0, rows)
    image = here.imshow(
        scores,
        cmap=colour_map("content"),
        vmin=0,
        vmax=2,
        extent=(0, cols, rows, 0),
        aspect=height / width if len(scores) > 1 else "auto",
    )
    if len(scores) > 1:
        draw_scale_bar(here, None if latent_map.pixel_size_nm is None else width, extent)
    here.set_axis_off()
    chart.colorbar(image, ax=here, shrink=0.8, aspect=25, label="score").outline.set_visible(False)
    often.hist(np.minimum(scores.ravel(), 2), bins=60, color=FAINT)
    often.axvline(1, color=ACCENT)
    often.set_xlabel("score of a window")
    often.set_ylabel("windows")
    return chart
