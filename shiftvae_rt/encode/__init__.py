"""From a frame to latents: the mappers, and the routes that a window takes through a network."""
