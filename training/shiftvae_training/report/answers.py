"""The first screen of the report: which lattice, what varies, what it means, whether to trust it, what to do next."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .findings import Findings
from .latent_axis import rounded
from .order_and_grains import grains_in_words, inside_grains, order_in_words, order_names
from .page import code, items, paragraph
from .trust import Check, checks, position_is_lost

__all__ = ["answers", "content_in_words", "fields_in_words", "lattice_in_words", "pose_in_words", "what_varies"]

#: Largest number of reservations on the first screen; the section on them has all.
MOST_SHOWN = 4
#: A field varies when its standard deviation over the scan is this many times its uncertainty.
CLEAR = 2.0
#: Mean resultant of angles below which they point everywhere.
EVERYWHERE = 0.3
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def answers(found: Findings) -> str:
    """HTML of the first screen."""
    made = checks(found)
    doubts = [check for check in made if not check.good]
    manifest = found.manifest
    order = order_in_words(
        found.latent_map.fields, manifest.superlattice, np.array(manifest.lattice), manifest.pixel_size_nm
    )
    meaning = [*content_in_words(found), *pose_in_words(found), *order, *fields_in_words(found)]
    link = "What to do about each"
    if len(doubts) > MOST_SHOWN:
        link = f"All {_number(len(doubts))}, and what to do about each"
    more = f'<p class="note"><a href="#reservations">{link}</a></p>' if doubts else ""
    return (
        '<div class="answers"><div>'
        + _answer("Which lattice?", lattice_in_words(found))
        + (paragraph(grains_in_words(found.manifest.grains)) if found.manifest.grains else "")
        + _answer("What varies?", what_varies(found))
        + (paragraph("What does it mean?", "question") + items(meaning) if meaning else "")
        + "</div><div>"
        + _answer("May I trust it?", _trust(doubts), kind="doubt" if doubts else "good")
        + items((check.text for check in doubts[:MOST_SHOWN]), "flag")
        + more
        + items(check.text for check in made if check.good)
        + paragraph("What next?", "question")
        + _next(found, doubts)
        + "</div></div>"
    )


def _trust(doubts: list[Check]) -> str:
    if not doubts:
        return "Yes: no check speaks against it."
    grave, said = sum(check.grave for check in doubts), _count(len(doubts), "reservation")
    if not grave:
        return f"With care: {said}."
    which = "the first" if grave == 1 else f"the first {_number(grave)}"
    return f"Not yet: {said}, {which} grave." if len(doubts) > 1 else "Not yet: one grave reservation."


def _answer(question: str, text: str, kind: str = "") -> str:
    return paragraph(question, "question") + paragraph(text, f"strong {kind}".strip())


def lattice_in_words(found: Findings) -> str:
    """Say which lattice the scan shows: lengths, angle, where."""
    edges = found.manifest.pixel_size_nm
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    if not len(vectors):
        return "None was used: the model finds isolated features and where they sit in their windows."
    lengths = f"{_lengths(np.hypot(*(vectors * (edges or (1.0, 1.0))).T))} {'px' if edges is None else 'nm'}"
    px = "" if edges is None else f" ({' x '.join(f'{length:.1f}' for length in np.hypot(*vectors.T))} px)"
    if len(vectors) == 1:
        return f"It repeats every {lengths}{px}."
    angle = _angle_deg(vectors * (edges or (1.0, 1.0)))
    return f"{lengths}{px}, {angle:.0f} degrees, {_where(found)}."


def _lengths(lengths: Float64) -> str:
    """Lengths with as many decimals each; the shortest has three digits."""
    decimals = max(0, 2 - int(np.floor(np.log10(lengths.min()))))
    return " x ".join(f"{length:.{decimals}f}" for length in lengths)


def _angle_deg(vectors: Float64) -> float:
    first, second = vectors
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _where(found: Findings) -> str:
    where = found.trained.lattice.where
    share = 1.0 if where is None else float(np.mean(where))
    return "all over the scan" if share > 0.95 else f"in {100 * share:.0f} % of the scan"


def what_varies(found: Findings) -> str:
    """Say how many things vary, and which latents hold them."""
    if position_is_lost(found):
        return "Not known: the windows do not show where the motif sits."
    names = [found.manifest.latents[i].name for i in found.used]
    names += [f"the order of a superlattice ({name})" for name in order_names(found.latent_map.fields)]
    if not names and found.manifest.grains:
        return "The grain alone: within the noise every window shows the same motif."
    score = found.trained.content_score
    if not names and score is not None and score.warning:
        return "Nothing that the training has found; the guess before it did find something."
    if not names:
        return "Nothing: within the noise every window shows the same motif."
    return f"{_count(len(names), 'thing')}: {', '.join(names)}."


def _number(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _count(number: int, what: str) -> str:
    text = f"{_number(number)} {what}{'s' if number != 1 else ''}"
    return text if what == "reservation" else text.capitalize()


def content_in_words(found: Findings) -> list[str]:
    """Say in one sentence each what the content latents mean."""
    grain = " (direction: in grain 0)" if found.manifest.grains else ""
    axes = found.meaning.axes
    return [f"{found.meaning.in_words(axis)}{grain if axis.moving else ''}." for axis in axes]


def pose_in_words(found: Findings) -> list[str]:
    """Say in one sentence each how the motifs turn and how their sizes differ, for a model that follows these."""
    said = []
    for index, latent in enumerate(found.manifest.latents):
        values = found.latent_map.mean[index].astype(float).ravel()
        if latent.kind == "rotation" and latent.period:
            turned = abs(np.exp(2j * np.pi * values / latent.period).mean())
            spread = latent.period / (2 * np.pi) * np.sqrt(-2 * np.log(max(turned, 1e-12)))
            how = "at all angles" if turned < EVERYWHERE else f"within {spread:.2g} degrees (standard deviation)"
            said.append(f"{latent.name}: the motifs point {how}.")
        if latent.kind == "scale":
            low, high = np.quantile(values, (0.025, 0.975))
            said.append(f"{latent.name}: the size differs by {high - low:.2g} % (95 % of the windows).")
    return said


def fields_in_words(found: Findings) -> list[str]:
    """Say how much the lattice is strained and turned."""
    fields = found.latent_map.fields
    if fields is None or position_is_lost(found):
        return []
    seen, inside = [], _on_the_lattice(found)
    for name, unit in (("exx", "%"), ("eyy", "%"), ("exy", "%"), ("rotation", "degrees")):
        index = fields.names.index(name)
        spread = float(np.nanstd(fields.mean[index][inside]))
        noise = float(np.sqrt(np.nanmean(np.square(fields.std[index][inside], dtype=float))))
        if spread > CLEAR * noise:
            seen.append(f"{name} by {rounded(spread)} {unit} (uncertainty of one value: {rounded(noise)} {unit})")
    if not seen:
        return ["The lattice is even: neither strain nor rotation varies beyond its uncertainty."]
    about = "standard deviations where the lattice is seen; distortions by the scan, such as drift, count as strain"
    return [f"The lattice is strained: {', '.join(seen)}. These are {about}."]


def _on_the_lattice(found: Findings) -> NDArray[np.bool_]:
    """Mask ``(rows, cols)`` of the windows that show the lattice, of one grain; of all, if there is none."""
    centres = found.latent_map.centre_y_px, found.latent_map.centre_x_px
    where = found.trained.lattice.where
    inside = inside_grains(found.latent_map, np.array(found.manifest.lattice))
    if where is not None:
        inside = inside & where[np.ix_(*(np.rint(places).astype(int) for places in centres))]
    return inside if inside.any() else np.ones_like(inside)


def _next(found: Findings, doubts: list[Check]) -> str:
    """HTML of what to do next."""
    advice = list(dict.fromkeys(check.advice for check in doubts))[:2]
    steps = [escape(f"{text[:1].upper()}{text[1:]}.") for text in advice]
    score = found.trained.content_score
    unfinished = (score is not None and bool(score.warning)) or position_is_lost(found)
    if not found.used and not order_names(found.latent_map.fields) and not unfinished:
        steps.append(
            "If you expect a variation, scan a larger area or with a higher dose. Displacement and strain are measured "
            "all the same."
        )
    if found.manifest.pixel_size_nm is None and found.manifest.dimensions == 2:
        steps.append("The scan has no pixel size: save it with one, and lengths are given in nm and pm.")
    steps.append(f"Map the next scan: {code('shiftvae map MODEL.svae NEXT.dm4 -o next.png')}")
    steps.append(f"Watch a running scan: {code('shiftvae serve MODEL.svae')}")
    return "<ul>" + "".join(f"<li>{step}</li>" for step in steps) + "</ul>"
