"""The report that travels in a model file: figures, meaning of the latents, domain."""
