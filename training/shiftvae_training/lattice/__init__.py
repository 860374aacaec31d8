"""Lattice vectors of a frame, with a confidence and a mask; the peaks, phases and algebra behind them."""
