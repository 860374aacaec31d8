"""Fuzz everything that reads bytes from the network, guided by coverage: python fuzz_headers.py [-runs=N]

Any input gives a value or a `WireError`, nothing else, and never an array larger than the bytes that came.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["shiftvae_rt.stream", "shiftvae_rt.errors"]):
    from shiftvae_rt.errors import WireError
    from shiftvae_rt.stream.protocol.control_messages import decode_answer, decode_question
    from shiftvae_rt.stream.protocol.messages import decode_reply, decode_request
    from shiftvae_rt.stream.protocol.results import read_result
    from shiftvae_rt.stream.protocol.wire import decode_frame_header, frame_rows


def one_input(data: bytes) -> None:
    head, _, buffer = data.partition(b"\0")
    for decode in (decode_request, decode_reply, decode_question, decode_answer):
        with contextlib.suppress(WireError):
            decode(head)
    with contextlib.suppress(WireError):
        assert frame_rows(decode_frame_header(head), buffer).nbytes <= len(buffer)
    with contextlib.suppress(WireError):
        assert read_result((head, buffer)).latent_map.mean.nbytes <= len(buffer)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
