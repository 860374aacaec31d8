"""Maps as objects of other packages are made by the whole runtime."""

raise ImportError("LatentMap.to_xarray and to_hyperspy need the whole runtime: pip install shiftvae-rt")
