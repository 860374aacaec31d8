"""One module for each kind of file, with ``read(path, wanted)``; `formats` says which endings are whose."""
