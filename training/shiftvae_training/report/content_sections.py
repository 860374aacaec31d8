"""The sections of the report on the content: its maps, what it means, and the reservations about it."""

from __future__ import annotations

from shiftvae_rt.frame import Frame
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.pictures.latent_panels import draw_latent_map, legend_of_map

from .atlas import atlas
from .confounds import NOTABLE
from .figure_style import data_uri
from .findings import Findings
from .model_figures import draw_motif, draw_traversal
from .page import figure, folded, items, kept, paragraph, section, table
from .trust import checks

__all__ = ["maps_section", "meaning_section", "reservations_section"]


def maps_section(found: Findings) -> str:
    """HTML of the maps of content and fields."""
    if found.manifest.dimensions == 1:
        signal = Frame(found.frame[:, 0], found.manifest.pixel_size_nm)
        return figure(data_uri(draw_latent_map(found.latent_map, frame=signal)), "the signal and its maps", wide=True)
    hint = "Point at a map: its window, and the values there. A click holds the place, arrow keys move it."
    return f'<p class="note screen">{hint}</p>' + atlas(found) + paragraph(_legend(found.latent_map), "note")


def _legend(latent_map: LatentMap) -> str:
    averaged = "" if latent_map.fields is None else " Strain and rotation are averages over about one period."
    ends = "The colours end where 1 % of the values lie beyond."
    return f"One value for every window, at its centre. {legend_of_map(latent_map)}{averaged} {ends}"


def meaning_section(found: Findings) -> str:
    """HTML of what the content means, a picture and a sentence for each latent."""
    meaning, window, edges = found.meaning, found.manifest.window, found.manifest.pixel_size_nm
    word, words = meaning.word, meaning.words
    if not meaning.axes:
        return paragraph("No content latent varies: there is nothing to explain.")
    parts = []
    for axis in meaning.axes:
        picture = figure(data_uri(draw_traversal(axis, window, edges)), f"motif along {axis.name}", wide=True)
        parts.append(kept(paragraph(f"{meaning.in_words(axis)}.") + picture))
    note = (
        "The pictures are what the model draws over the range in which 95 % of the windows lie, with the other latents "
        "at their mean. "
    )
    if found.manifest.dimensions == 2:
        note += "Last - first is orange where the last one is brighter, and blue where it is darker. "
    if any(axis.errors is not None for axis in meaning.axes):
        note += (
            f"The sentence is measured in the scan: its cells are averaged around {word} 1, at five steps of each "
            f"latent with the others at their mean, and Gaussians are fitted to their {words}. What is smaller than "
            "three of its errors is left out. "
        )
    note += f"Movements are relative to {word} 1, brightness is above the dark between the {words}."
    if any(axis.longer is not None for axis in meaning.axes):
        note += " Angles are counter-clockwise from the scan lines."
    parts.append(paragraph(note, "note"))
    if found.manifest.dimensions == 1:
        return "\n".join(parts)
    unit, by = ("px", (1.0, 1.0)) if edges is None else ("pm", (1000 * edges[0], 1000 * edges[1]))
    motif = data_uri(draw_motif(meaning, window, edges))
    parts.append(figure(motif, f"{words} of the motif", f"The mean motif, with its {words} as they are numbered."))
    places = [
        (f"{word} {k + 1}", f"{x * by[1]:+.3g}", f"{y * by[0]:+.3g}") for k, (y, x) in enumerate(meaning.columns_px)
    ]
    head = ("", f"{unit} right of {word} 1", f"{unit} below {word} 1")
    parts.append(folded(f"Places of the {words}", "mean places in the cell", table(head, places)))
    return "\n".join(parts)


def reservations_section(found: Findings) -> str:
    """HTML of the checks that failed, with advice, and of the correlations behind them."""
    doubts = [check for check in checks(found) if not check.good]
    parts = [] if doubts else [paragraph("None: no check speaks against the model.")]
    for latent in sorted({check.latent for check in doubts}):
        said = items(f"{check.text} What to do: {check.advice}." for check in doubts if check.latent == latent)
        parts.append(section(latent or "The whole model", said))
    confounds = found.nuisances.confounds
    if confounds:
        names = list(dict.fromkeys(c.nuisance for c in confounds))
        rows: dict[str, list[str]] = {}
        for c in confounds:
            rows.setdefault(c.latent, []).append(f"{c.correlation:+.2f}")
        note = (
            f"Pearson's r between maps averaged over one period. From {NOTABLE} on it is a reservation. Smooth maps "
            "correlate easily: a reason to check, not a verdict."
        )
        correlations = table(("", *names), [(latent, *values) for latent, values in rows.items()])
        parts.append(
            folded(
                "Correlations",
                "how much each latent resembles brightness, contrast, scan direction and sharpness",
                correlations,
                paragraph(note, "note"),
            )
        )
    return "\n".join(parts)
