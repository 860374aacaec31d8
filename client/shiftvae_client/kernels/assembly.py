"""Maps on the pixels of the frame are made by the whole runtime."""

raise ImportError("LatentMap.on_pixels and at_motifs need the whole runtime: pip install shiftvae-rt")
