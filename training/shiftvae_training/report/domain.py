"""The report's section on the domain: which frames the runtime accepts as frames of the same kind of sample."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shiftvae_rt.domain import DomainGauge
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Domain, Manifest

from .figure_style import ACCENT, FAINT, data_uri
from .page import figure, paragraph, section, table

__all__ = ["domain_section"]


def domain_section(manifest: Manifest, latent_map: LatentMap) -> str:
    """Section with the limits of the verdict and the scores of the windows in `latent_map`, a training frame's."""
    domain = manifest.domain
    if domain is None:
        return section("Out of domain", paragraph("The domain of this model was not measured: no alarm is raised."))
    gauge = DomainGauge(manifest, domain, latent_map.grid.stride)
    scores = gauge.score_windows(latent_map.mean, latent_map.std)
    caption = (
        "Score of each window, as a map and as a histogram. The threshold of 1 is the score that 99 % of the training "
        "windows stay below."
    )
    note = (
        "A frame is out of domain when one check exceeds its limit; its score is the worst check in units of its "
        "limit. The limits are what regions of the training data stay within, plus a margin."
    )
    return section(
        "Out of domain",
        table(("check of a frame", "training data", "limit"), _limits(domain)),
        figure(data_uri(_draw(scores)), "scores of the windows", caption),
        paragraph(note, "note"),
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


def _draw(scores: NDArray[np.float32]) -> Figure:
    chart = Figure(figsize=(6.4, 2.4), layout="constrained")
    here, often = chart.subplots(1, 2)
    image = here.imshow(scores, cmap="Greys", vmin=0, vmax=2, aspect="equal" if len(scores) > 1 else "auto")
    here.set_axis_off()
    chart.colorbar(image, ax=here, shrink=0.8, aspect=25, label="score").outline.set_visible(False)
    often.hist(np.minimum(scores.ravel(), 2), bins=60, color=FAINT)
    often.axvline(1, color=ACCENT)
    often.set_xlabel("score of a window")
    often.set_ylabel("windows")
    return chart
