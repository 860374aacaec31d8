"""The start of an encoder on a lattice, in closed form from the first guess: what it measures, its stem and its head.

The flow: the guess tells the waves of the lattice that matter (`waves`) -> a stem of small kernels that measures them
(`harmonic_stem`) -> a head that gives the guess of real windows (`head_fit`).
"""
