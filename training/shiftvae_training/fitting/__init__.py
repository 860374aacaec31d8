"""Training of a shift-VAE up to its last step: settings and frames -> prepared model -> objective -> optimiser.

`finishing` brings the model to its canonical form afterwards.
"""
