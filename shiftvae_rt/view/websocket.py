"""WebSockets (RFC 6455), as much of them as the page needs: the handshake, whole frames out, short frames in.

The page sends words of a few bytes, the service sends pictures. So there is no compression, no fragment, and no frame
of more than `MOST_BYTES` from a browser.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import struct
from collections.abc import Mapping

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "TEXT", "WebSocketError", "handshake", "pack_frame", "read_frame"]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
#: Longest payload that a browser may send, bytes.
MOST_BYTES = 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketError(Exception):
    """Fault of the other side: it sent something that is no WebSocket, or more than the page ever sends."""


def handshake(headers: Mapping[str, str]) -> bytes:
    """Answer a request to become a WebSocket, given its `headers` by any case of their names.

    Raises
    ------
    WebSocketError
        if they are not those of a WebSocket of version 13.
    """
    fields = {name.lower(): value.strip() for name, value in headers.items()}
    key = fields.get("sec-websocket-key", "")
    upgrade = "upgrade" in [word.strip().lower() for word in fields.get("connection", "").split(",")]
    if fields.get("upgrade", "").lower() != "websocket" or not upgrade:
        raise WebSocketError("expected the headers Upgrade: websocket and Connection: Upgrade")
    if fields.get("sec-websocket-version") != "13":
        raise WebSocketError(f"expected version 13, got {fields.get('sec-websocket-version')!r}")
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != 16:
        raise WebSocketError("expected 16 bytes of base64 in Sec-WebSocket-Key")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def pack_frame(kind: int, *payload: bytes | memoryview) -> bytes:
    """Frame of one message from the service, whose payload comes in parts: final, unmasked."""
    length = sum(memoryview(part).nbytes for part in payload)
    if length < 126:
        head = struct.pack(">BB", 0x80 | kind, length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", 0x80 | kind, 126, length)
    else:
        head = struct.pack(">BBQ", 0x80 | kind, 127, length)
    return b"".join([head, *payload])


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Kind and payload of the next frame of a browser.

    Raises
    ------
    WebSocketError
        for a frame without a mask, a fragment, an extension, or more than `MOST_BYTES`.
    asyncio.IncompleteReadError, ConnectionError
        when the connection ends.
    """
    first, second = await reader.readexactly(2)
    if first & 0x70 or not first & 0x80 or first & 0x0F not in (TEXT, BINARY, CLOSE, PING, PONG):
        raise WebSocketError("expected a whole frame without extensions")
    if not second & 0x80:
        raise WebSocketError("expected a masked frame")
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
    if length > MOST_BYTES or length == 127:
        raise WebSocketError(f"expected at most {MOST_BYTES} bytes")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(length)
    return first & 0x0F, bytes(byte ^ mask[place & 3] for place, byte in enumerate(masked))
