"""Every message between producer, service and reader, as a typed struct that checks itself when it is decoded.

Frames and results (`wire`, `results`), the conversation with a producer (`messages`), requests to a service
(`control_messages`), and what they have in common: clocks, counters, rectangles. No sockets: an import contract keeps
zmq out.
"""
