"""onnxruntime runs on the provider that was chosen, or says what to install."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from tiny_models import tiny_weights

from shiftvae_rt import LatentMapper, ProviderError
from shiftvae_rt.encode.onnx_graph import PROVIDERS, OnnxGraph, run_graph
from shiftvae_training.graphs.encoder_graph import encoder_graph

GRAPH = encoder_graph(tiny_weights(), 4)
FRAME = np.random.default_rng(0).normal(size=(1, 1, 40, 32)).astype(np.float32)


def test_a_graph_gives_mean_and_deviation_of_every_window():
    graph = OnnxGraph(GRAPH)
    mean, std = graph.run(frame=FRAME)
    assert graph.provider == "onnxruntime"
    assert mean.shape == std.shape == (1, 4, 7, 5)
    assert mean.dtype == std.dtype == np.float32
    assert (std > 0).all()
    expected = run_graph(GRAPH, {"frame": FRAME})
    np.testing.assert_array_equal(mean, expected[0])
    np.testing.assert_array_equal(std, expected[1])


def test_an_unknown_provider_is_refused_with_the_choice():
    with pytest.raises(ProviderError, match="unknown provider 'CUDA': choose .*native, onnxruntime, cuda"):
        OnnxGraph(GRAPH, provider="CUDA")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_missing_provider_says_what_to_install_and_does_not_fall_back(provider, tiny_model):
    if PROVIDERS[provider] in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime offers {provider}")
    with pytest.raises(
        ProviderError, match=rf"cannot run on '{provider}' here .*install shiftvae-rt\[gpu\].*or leave the provider out"
    ):
        LatentMapper(tiny_model, provider=provider)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_session_that_fell_back_is_refused(monkeypatch):
    """onnxruntime lists a provider whose libraries cannot be loaded, then quietly takes the next."""
    if PROVIDERS["cuda"] in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime offers cuda")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    with pytest.raises(ProviderError, match="cannot run on 'cuda' here"):
        OnnxGraph(GRAPH, provider="cuda")


def test_without_onnxruntime_the_message_says_what_to_install(monkeypatch, tiny_model):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ProviderError, match=r"onnxruntime is not installed: run `pip install shiftvae-rt\[cpu\]`"):
        LatentMapper(tiny_model)
    with pytest.raises(ProviderError, match="not installed"):
        run_graph(GRAPH, {})


def test_onnxruntime_is_told_to_report_nothing_before_it_is_imported():
    code = """
import os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("telemetry off:", os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watcher())
from shiftvae_rt.encode.onnx_graph import available_providers
available_providers()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "telemetry off: 1"
