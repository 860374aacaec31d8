"""The training report: one page of HTML that travels in the model file.

A trained model and its frames flow in; out come the figures, the meaning of each latent in px and pm, the confounds,
the calibration of the uncertainties and the limits of the domain, written as a page.
"""
