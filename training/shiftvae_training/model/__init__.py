"""The shift-VAE: encoder families, decoders, latents that turn and scale, likelihoods."""
