"""Clients that read from a service: live results as they are published, and requests for state and records.

`Subscriber` receives from the results socket, in full or only the newest; `Control` sends requests to the control
socket, among them READ, with which a reader gets each record of the journal exactly once.
"""
