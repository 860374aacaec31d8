"""The sockets of service and clients: their options, who may connect, and how much of each peer may wait.

A client holds a `Connection`; the service binds the sockets in `sockets.DOORS`, its `gatekeeper` asks the key list
(`keys`) about every peer, and its `meter` ends connections that send too much. Messages pass through undecoded.
"""
