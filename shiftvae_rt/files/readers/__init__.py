"""Readers, a module for each kind of file, with ``read(path, wanted)``; `formats` maps endings to them."""
