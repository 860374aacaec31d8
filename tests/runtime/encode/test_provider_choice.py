"""`auto` measures what this machine offers, keeps the answer and says it."""

from __future__ import annotations

import ctypes
import re

import msgspec
import pytest

from shiftvae_rt import LatentMapper, ModelFile, ProviderError
from shiftvae_rt.cli import main
from shiftvae_rt.encode import onnx_graph, provider_choice
from shiftvae_rt.encode.provider_choice import choose_provider


@pytest.fixture
def model(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(provider_choice.sys, "platform", "linux")
    return ModelFile.read(tiny_model)


@pytest.fixture
def two_offered(monkeypatch):
    """A machine whose onnxruntime says that it has CUDA; the routes that were made are listed."""
    made = []
    real = provider_choice.choose_route

    def choose_route(model, stride, *, provider):
        made.append(provider)
        if provider == "cuda":
            raise ProviderError("onnxruntime cannot run on 'cuda' here (libcublas.so.12: no such file)")
        return real(model, stride, provider=provider)

    monkeypatch.setattr(provider_choice, "available_providers", lambda: ["onnxruntime", "cuda"])
    monkeypatch.setattr(provider_choice, "choose_route", choose_route)
    monkeypatch.setattr(provider_choice, "SIDE", 48)
    return made


def test_a_single_provider_is_not_measured(model, monkeypatch):
    monkeypatch.setattr(provider_choice, "available_providers", lambda: ["onnxruntime"])
    monkeypatch.setattr(provider_choice, "usual_provider", lambda _: "onnxruntime")
    choice = choose_provider(model, 4, threads=1, wanted="auto")
    assert (choice.provider, choice.reason) == ("onnxruntime", "the only one that runs this model here")


def test_nothing_is_measured_unless_asked(model, two_offered):
    assert choose_provider(model, 4, threads=1, wanted=None).provider == "native"
    assert choose_provider(model, 4, threads=1, wanted="cuda").provider == "cuda"
    assert two_offered == []


def test_a_choice_is_measured_once_and_says_its_figures(model, two_offered, tmp_path):
    first = choose_provider(model, 4, threads=1, wanted="auto")
    assert first.provider in ("native", "onnxruntime")
    assert "native" in first.reason
    assert "ms a frame" in first.reason
    assert "libcublas.so.12" in first.reason
    assert two_offered == ["native", "onnxruntime", "cuda"]
    assert choose_provider(model, 4, threads=1, wanted="auto") == first
    assert two_offered == ["native", "onnxruntime", "cuda"]
    assert len(msgspec.json.decode((tmp_path / "shiftvae-rt" / "providers.json").read_bytes())) == 1


def test_another_stride_or_number_of_threads_is_another_choice(model, two_offered):
    for stride, threads in ((4, 1), (8, 1), (4, 2)):
        choose_provider(model, stride, threads=threads, wanted="auto")
    assert two_offered.count("native") == 3


def test_a_damaged_cache_is_measured_anew(model, two_offered, tmp_path):
    choose_provider(model, 4, threads=1, wanted="auto")
    file = tmp_path / "shiftvae-rt" / "providers.json"
    file.write_bytes(b"{")
    choose_provider(model, 4, threads=1, wanted="auto")
    assert two_offered.count("native") == 2
    assert msgspec.json.decode(file.read_bytes())


def test_a_cache_that_cannot_be_written_is_told(model, two_offered, tmp_path):
    (tmp_path / "shiftvae-rt").write_text("a file where the folder should be")
    assert "not kept" in choose_provider(model, 4, threads=1, wanted="auto").reason


def test_a_mapper_says_what_auto_chose(tiny_model, model):
    mapper = LatentMapper(tiny_model, provider="auto")
    assert mapper.provider in ("native", "onnxruntime")
    assert mapper.provider_reason
    assert LatentMapper(tiny_model).provider_reason == "the usual one of this model"


def test_the_command_says_what_auto_chose(tiny_model, model, tmp_path, capsys):
    import numpy as np

    np.save(tmp_path / "f.npy", np.random.default_rng(0).poisson(100, (40, 40)).astype(np.uint16))
    arguments = ["map", str(tiny_model), str(tmp_path / "f.npy"), "-o", str(tmp_path / "o.npz"), "--provider", "auto"]
    assert main(arguments) == 0
    assert re.search(r"shiftvae: provider (native|onnxruntime) \(", capsys.readouterr().err)


def test_a_gpu_library_that_cannot_be_loaded_is_named(monkeypatch, tmp_path):
    """The provider's library is there, but what it needs is not: the loader's message says which file."""
    folder = tmp_path / "onnxruntime"
    (folder / "capi").mkdir(parents=True)
    (folder / "capi" / "libonnxruntime_providers_cuda.so").write_bytes(b"")
    onnxruntime = type("Module", (), {"__file__": str(folder / "__init__.py")})

    def fail(path):
        raise OSError("libcublasLt.so.12: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(onnx_graph, "_import_onnxruntime", lambda: onnxruntime)
    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert onnx_graph._library_error("cuda").startswith("libcublasLt.so.12")
    message = onnx_graph._missing("cuda", ["CPUExecutionProvider"], onnx_graph._library_error("cuda"))
    assert "libcublasLt.so.12" in message
    assert "install shiftvae-rt[gpu]" in message
