"""Sweeps: one training for every combination of some settings, and what the models say together.

Imports go downwards only, as the contracts in pyproject.toml say.
"""
