"""The lossless mode's memory: an SQLite file in which results are committed, and the way out of it."""
