"""One module for each kind of file, with ``write(path, maps, ...)``; `results` says which endings are whose."""
