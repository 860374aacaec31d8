"""The model file: one zip of networks, manifest and test vectors, checked before anything in it is used."""
