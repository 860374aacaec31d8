"""Canonical form, deviations that cover, domain and scores: what follows the last step of a training.

`finish` is the flow, `domain_fit` measures the domain of the training data, and `evaluate` scores maps against a known
truth.
"""
