"""Sockets, connections and keys: the rooms that import zmq, with the two clients and the service."""
