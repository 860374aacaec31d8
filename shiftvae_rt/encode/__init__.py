"""Encoding of frames: the mappers, and the routes by which windows pass through a network."""
