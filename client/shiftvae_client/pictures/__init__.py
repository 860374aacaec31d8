"""Pictures of maps are made by the whole runtime."""

raise ImportError("pictures of a latent map need the whole runtime: pip install shiftvae-rt")
