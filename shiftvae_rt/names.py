"""Names from outside (streams, sessions, channels): which are valid, and how people see them."""

from __future__ import annotations

import hashlib

__all__ = ["MAX_NAME", "file_name", "json_shown", "name_fault", "shown"]

#: Longest name of a stream or a session, characters.
MAX_NAME = 64
#: Longest part of a file name that a stream's name becomes; disks take 255 bytes in all.
_MAX_FILE_NAME = 180
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
#: Names that Windows takes for devices, whatever their ending.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def name_fault(name: str, *, forbidden: str = "") -> str | None:
    """Say what is wrong with the name of a stream or a session; None if nothing is.

    A name has 1 to 64 characters, all of them printable (no control characters, line ends, invisible marks or blanks
    other than the space), none of `forbidden`, and neither begins nor ends with a space.
    """
    if not 1 <= len(name) <= MAX_NAME:
        return f"a name has 1 to {MAX_NAME} characters, got {len(name)}"
    bad = next((letter for letter in name if not letter.isprintable() or letter in forbidden), None)
    if bad is not None:
        return f"a name is made of printable characters{f' without {forbidden}' if forbidden else ''}, got {bad!a}"
    if name != name.strip():
        return f"a name neither begins nor ends with a blank, got {name!r}"
    return None


def shown(text: str) -> str:
    r"""Give `text` in one line for a terminal: whatever is not printable is escaped.

    >>> print(shown("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def json_shown(text: str) -> str:
    r"""Give JSON `text` in one line for a terminal: the same JSON, with ``\u`` for whatever is not printable."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def file_name(name: str) -> str:
    """Give a file name for the name of a stream, unique on every disk.

    ASCII letters and digits, ``_`` and ``-`` stay; other bytes of UTF-8 become ``%XX``, and so does the first letter of
    a name that Windows takes for a device. Because some disks take ``A`` for ``a``, a name with capitals gets ``+`` and
    a hexadecimal number whose bit n stands for a capital in place n. Where that is too long, the end is replaced by
    ``++`` and a hash of the name.

    >>> file_name("run 7"), file_name("HAADF"), file_name("nul")
    ('run%207', 'HAADF+1f', '%6eul')
    """
    letters = [each if each in _PLAIN else "".join(f"%{byte:02x}" for byte in each.encode()) for each in name]
    if name.lower() in _DEVICES:
        letters[0] = f"%{ord(name[0]):02x}"
    capitals = sum(1 << place for place, each in enumerate(name) if "A" <= each <= "Z")
    encoded = "".join(letters) + (f"+{capitals:x}" if capitals else "")
    if len(encoded) <= _MAX_FILE_NAME:
        return encoded
    return f"{encoded[:100]}++{hashlib.sha256(name.encode()).hexdigest()}"


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
