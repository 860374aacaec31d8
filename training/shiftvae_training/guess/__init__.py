"""What can be known of a scan before any training: motif, slow variations, classes, window size."""
