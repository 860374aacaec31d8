"""Clients that send frames to a service, whole or as they are scanned; every frame gets exactly one outcome.

In live mode a frame goes from `Producer` through the one-slot `mailbox` and the `live_link` to the socket of `driver`;
in lossless mode from `LosslessProducer` through the `lossless_link`, which keeps it until it is on the service's disk.
Links and mailbox decide what to send and import no zmq.
"""
