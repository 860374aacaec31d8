"""The shift-VAE as a torch module: a frame or tile -> encoder -> posterior -> pose and content -> decoder ->
likelihood.

`ShiftVAE` joins an encoder family, the latents of the pose (shift, rotation, scale), a decoder and a likelihood;
`EncoderWeights` are the trained numbers that the exported graphs need.
"""
