"""What follows the last step of a training: canonical form, deviations that cover, domain and scores.

`finish` is the flow, `domain_fit` measures the domain of the training data, and `evaluate` scores maps against a known
truth.
"""
