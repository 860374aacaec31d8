"""Training of a shift-VAE: settings and frames -> prepared model -> objective -> optimiser -> canonical, calibrated
model.

`calibration` scales the posterior deviations afterwards, `domain_fit` measures the domain of the training data, and
`evaluate` scores maps against a known truth.
"""
