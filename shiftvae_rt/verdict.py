"""Verdict of the domain check on a frame, as every map carries it."""

from __future__ import annotations

import msgspec

__all__ = ["DomainVerdict", "verdict_details", "verdict_text"]


class DomainVerdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Verdict of the checks on a frame, or on its rows so far.

    Attributes
    ----------
    score
        Highest score of the checks; above 1 the frame is out of domain.
    windows_out
        Share of the windows whose own score is above 1, 0 to 1.
    reason
        Why the frame is out of domain; empty if it is not.
    """

    score: float
    windows_out: float
    reason: str = ""

    @property
    def out_of_domain(self) -> bool:
        """True if the frame is unlike the training data of the model."""
        return self.score > 1


def verdict_text(verdict: DomainVerdict | None) -> str:
    """Give `verdict` as the line that every output of a map carries; None is a model that does not know its domain."""
    if verdict is None:
        return "domain unknown"
    return f"{'out of domain' if verdict.out_of_domain else 'in domain'} {verdict_details(verdict)}"


def verdict_details(verdict: DomainVerdict) -> str:
    """Give the second part of `verdict_text`: score and reason."""
    return f"(score {verdict.score:.3g})" + (f": {verdict.reason}" if verdict.reason else "")
