"""Commands that the training half adds to `shiftvae`, one module each, and what they share."""
