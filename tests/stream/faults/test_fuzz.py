"""S3: the parsers and the kernels under fuzzers, for a short time here and for a long one by `make fuzz`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from stream_support import frame_message, hello, noisy

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
RUNS = 100_000_000 if LONG else 1_000_000
SECONDS = 600 if LONG else 3


@pytest.mark.timeout(6 * 3600 if LONG else 240)
def test_no_bytes_from_the_network_make_a_parser_fail(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="no atheris: pip install atheris")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    header, buffer = frame_message(noisy((3, 4)))
    (corpus / "frame").write_bytes(msgspec.json.encode(header) + b"\0" + buffer)
    (corpus / "hello").write_bytes(msgspec.json.encode(hello()))
    for number, text in enumerate(
        re.findall(r"^[<>] (\{.*\})$", (ROOT / "docs/reference/protocol.md").read_text(), re.MULTILINE)
    ):
        (corpus / f"page{number}").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "fuzz_headers.py"),
            f"-runs={RUNS}",
            "-max_len=4096",
            "-rss_limit_mb=1024",
            str(corpus),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(re.findall(r"Done .*", done.stderr))
    assert f"Done {RUNS}" in done.stderr or int(re.findall(r"Done (\d+)", done.stderr)[0]) >= RUNS


@pytest.mark.timeout(3600 if LONG else 240)
def test_no_frame_makes_a_kernel_read_or_write_where_it_must_not(tmp_path: Path) -> None:
    if shutil.which("clang++") is None:
        pytest.skip("no clang++: apt install clang libclang-rt-14-dev")
    done = subprocess.run(
        ["sh", str(ROOT / "cpp" / "fuzz" / "run.sh"), str(SECONDS), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "cannot find" in done.stderr and "libclang_rt" in done.stderr:
        pytest.skip("clang without its sanitizers: apt install libclang-rt-14-dev")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    targets = len(list((ROOT / "cpp" / "fuzz").glob("fuzz_*.cpp")))
    assert done.stdout.count("number_of_executed_units") == targets > 0
