"""Lattice vectors of frames: spectra -> peaks -> basis -> mask and repetition in real space -> `Lattice`.

`find` decides; `local_period` and `strain` then follow the lattice across a frame by geometric phase analysis.
"""
