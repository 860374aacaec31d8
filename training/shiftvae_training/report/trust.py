"""Checks that say how far a model can be trusted, each as a sentence, with advice where one fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shiftvae_rt.model.manifest import USED_SHIFT_NATS

from .confounds import Cause
from .findings import Findings
from .meaning import Meaning

__all__ = ["Check", "checks", "position_is_lost"]

#: From these values on a check is good: confidence of the lattice; periods of it in the scan; share of the slow
#: variation that the content explains.
SURE, MANY_CELLS, MOST = 0.9, 50, 0.5
#: Up to these values a check is good: share of a window's variance that is structure which the model does not draw;
#: distance of the coverage of one standard deviation from 68 %.
STRUCTURE, COVERED = 0.05, 0.08
ONE = 0.6827
#: A training that explains less than this share of what its first guess explains has not begun to be of use.
GRAVE = 0.5
TURN = "scan the same area turned by 90 degrees: what the scan makes turns with it, the sample does not"
#: What to do about a latent that follows a nuisance, whatever the instrument.
ADVICE = {
    "grain": "compare cells of the grains in the scan, and read {latent} within one grain only",
    "scan row": TURN,
    "scan column": TURN,
}
#: The same by the instrument.
ADVICE_FOR = {
    "electrons": {
        "local mean": "compare {latent} with a map of the thickness, or with an area of another thickness",
        "local contrast": "compare {latent} with a map of the thickness, or with an area of another thickness",
        "sharpness": "scan the same area at another focus, and see whether {latent} stays",
    },
    "probe": {
        "local mean": "compare {latent} with the topography, or with another terrace",
        "local contrast": "scan the same area with another tip or set point, and see whether {latent} stays",
        "sharpness": "scan the same area with another tip or set point, and see whether {latent} stays",
    },
    "": {
        "local mean": "compare {latent} with a map of the thickness or height, or with another area",
        "local contrast": "compare {latent} with a map of the thickness or height, or with another area",
        "sharpness": "scan the same area at another focus, or with another tip, and see whether {latent} stays",
    },
}


@dataclass(frozen=True)
class Check:
    """A check of a model.

    Attributes
    ----------
    good
        Whether it speaks for the model.
    text, advice
        Sentence with what was found, and, if it does not speak for the model, what to do.
    latent
        Name of the latent that is checked; empty for the whole model.
    grave
        True if the maps are of little use before the advice is taken.
    """

    good: bool
    text: str
    advice: str = ""
    latent: str = ""
    grave: bool = False


def checks(found: Findings) -> list[Check]:
    """Give all checks of the model: those that fail first, and of these the grave ones, then those of the whole."""
    made = [
        *_lattice(found),
        *_position(found),
        *_description(found),
        *_structure(found),
        *_deviations(found),
        *_domain(found),
        *(_cause(cause, signal=found.manifest.dimensions == 1) for cause in found.nuisances.causes),
        *_unexplained(found),
        *_misdrawn(found),
    ]
    return sorted(made, key=lambda check: (check.good, not check.grave, check.latent))


def _lattice(found: Findings) -> list[Check]:
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    if not len(vectors):
        return []
    confidence = found.training.period_confidence
    made = [
        Check(True, f"The lattice is clear (confidence {confidence:.2f}).")
        if confidence >= SURE
        else Check(
            False,
            f"The lattice is uncertain (confidence {confidence:.2f}): {found.training.period_reason}.",
            "train on an area with more periods, or compare the lattice vectors with what you know of the crystal",
        )
    ]
    if len(vectors) == 2:
        where = found.trained.lattice.where
        seen = found.frame[0].size if where is None else int(np.count_nonzero(where))
        cells = seen / abs(float(np.linalg.det(vectors)))
        if cells < MANY_CELLS:
            text = f"The scan shows {cells:.0f} cells only: a variation from cell to cell is hard to tell from noise."
            made.append(Check(False, text, "train on a larger area, or on several frames"))
    return made


def position_is_lost(found: Findings) -> bool:
    """True if the windows do not tell where the motif sits: no map means anything then."""
    return min(found.trained.kl_nats[: found.trained.model.dimensions]) < USED_SHIFT_NATS


def _position(found: Findings) -> list[Check]:
    if not position_is_lost(found):
        return []
    text = "The windows do not show where the motif sits, so that the maps mean little."
    return [Check(False, text, "train on more frames, with more --steps, or with a larger --window", grave=True)]


def _description(found: Findings) -> list[Check]:
    score = found.trained.content_score
    if score is None:
        return []
    network, guess = (f"{100 * share:.0f} %" for share in (score.network, score.guess))
    text = f"In pixels that it has not seen, the content explains {network} of what varies slowly in the motif"
    if score.warning:
        text += f"; the guess from which the training began explains {guess}."
        grave = score.network < GRAVE * score.guess
        return [Check(False, text, "train with more --steps, or on more frames", grave=grave)]
    if found.used and score.network < MOST:
        return [Check(False, f"{text}; the rest is in none of the maps.", "train with more latents: --latents 4")]
    return [Check(True, f"{text}; the guess from which the training began, {guess}.")] if found.used else []


def _structure(found: Findings) -> list[Check]:
    domain = found.manifest.domain
    if domain is None:
        return []
    share = max(0.0, domain.structure)
    if share <= STRUCTURE:
        return [Check(True, "The model draws the windows down to the noise.")]
    text = f"{100 * share:.0f} % of a window's variance is structure that the model does not draw."
    return [Check(False, text, "look at the last row of the reconstructions for what is left; a larger --window helps")]


def _deviations(found: Findings) -> list[Check]:
    used = {found.manifest.latents[i].name for i in (*range(found.trained.model.first_content), *found.used)}
    off = [c.latent for c in found.trained.coverage if c.latent in used and abs(c.after[0] - ONE) > COVERED]
    if off:
        text = f"The standard deviations of {', '.join(off)} do not cover the errors of windows with known latents."
        return [Check(False, text, "take the standard deviations of these maps as a rough guide")]
    return [Check(True, "The standard deviations cover the errors of windows with known latents.")]


def _domain(found: Findings) -> list[Check]:
    verdict = found.latent_map.domain
    if verdict is None or not verdict.out_of_domain:
        return []
    text = f"The training scan itself is out of domain: {verdict.reason}."
    return [Check(False, text, "train on an even area", grave=True)]


def _cause(cause: Cause, *, signal: bool) -> Check:
    if signal:  # no thickness and no focus
        advice = f"compare the signal where {cause.latent} is high and where it is low"
        return Check(False, f"{cause.seen}.", advice, cause.latent)
    advice = (ADVICE | ADVICE_FOR[cause.instrument])[cause.confounds[0].nuisance].format(latent=cause.latent)
    return Check(False, f"{cause.words}.", advice, cause.latent)


def _unexplained(found: Findings) -> list[Check]:
    return [
        Check(
            False,
            f"Changes of {found.meaning.words} leave {100 * axis.unexplained:.0f} % of what changes along {axis.name} "
            "unexplained.",
            f"look at the pictures of {axis.name} before you read a displacement from it",
            axis.name,
        )
        for axis in found.meaning.axes
        if axis.much_unexplained
    ]


def _misdrawn(found: Findings) -> list[Check]:
    return [
        Check(
            False,
            f"Along {axis.name} the model draws {_named(axis.misdrawn, found.meaning)} moving otherwise than the "
            "scan shows.",
            f"trust the movement that is measured in the scan, not the pictures of {axis.name}",
            axis.name,
        )
        for axis in found.meaning.axes
        if axis.misdrawn
    ]


def _named(indices: list[int], meaning: Meaning) -> str:
    return f"{meaning.words if len(indices) > 1 else meaning.word} {', '.join(str(k + 1) for k in indices)}"
