"""Writers, a module for each kind of file, with ``write(path, maps, ...)``; `results` maps endings to them."""
