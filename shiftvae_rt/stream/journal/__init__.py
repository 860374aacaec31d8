"""Results on disk: an SQLite file in which the service commits them, its readers, and the export to HyperSpy files.

The service appends the records of lossless streams, and of live streams that it records; READ requests and
``shiftvae export`` take them out again, while the service runs or after it.
"""
