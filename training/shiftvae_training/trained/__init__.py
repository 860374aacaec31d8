"""A trained model in a program: model file -> `TrainedModel` -> maps, encoded and decoded windows, traversals, report.

Everything is computed by the graphs of the model file, so that a saved and loaded model gives the same bits.
"""

from __future__ import annotations

__all__: list[str] = []
