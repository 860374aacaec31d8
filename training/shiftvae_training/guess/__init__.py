"""Analysis of a scan before any training: frames and lattice -> Fourier coefficients -> shift and content, guessed.

`first_guess` (lattices), `feature_guess` (isolated features) and `class_guess` give the targets of the first training
steps; `automatic` chooses window, number of content latents and smoothness from the variations that two halves share.
"""
