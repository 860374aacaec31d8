"""Whole frames: our encoders against what users write, and against the arithmetic of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from baselines import WindowByWindow, torch_mlp, users_pipeline, well_written
from random_models import arithmetic, mapper_of, random_weights

from shiftvae_rt import benchmark
from shiftvae_rt.benchmark import lattice_frame, repeated, take_turns
from shiftvae_rt.encode.dense_network import read_readout
from shiftvae_rt.encode.routes import DenseRoute, GraphRoute
from shiftvae_rt.kernels.frame_scaling import window_deviations
from shiftvae_rt.kernels.windows import difference_frame
from shiftvae_training.graphs.graph_builder import GraphBuilder

CONVOLUTIONAL, MLP = (random_weights(family) for family in ("convolutional", "mlp"))
STRIDES = (1, 2, 4, 8)
GEMM_SIZE = 1024
GEMM_GFLOP = 2e-9 * GEMM_SIZE**3


def measure_limits(rounds: int) -> dict[str, Any]:
    """What one core of this machine does at most."""
    limits, product = benchmark.measure_limits(rounds), take_turns({"gemm": gemm()}, rounds)
    return {
        "fma_gflops": limits.multiply_add_gflops,
        "fma_gflops_two": benchmark.multiply_add_rate(2, rounds),
        "gemm_gflops": GEMM_GFLOP / product["gemm"] * 1e3,
        "write_gb_per_s": limits.write_gb_per_s,
        "copy_gb_per_s": limits.copy_gb_per_s,
    }


def gemm() -> Callable[[], Any]:
    """A product of `GEMM_GFLOP` by onnxruntime."""
    build, size = GraphBuilder(), GEMM_SIZE
    build.node("MatMul", "a", "b", output="c")
    product = build.serialise("product", {"a": [size, size], "b": [size, size]}, {"c": [size, size]})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(product, options, providers=["CPUExecutionProvider"])
    square = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    return lambda: session.run(None, {"a": square, "b": square})


def measure_encoders(folder: Path, rounds: int, limits: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a stride; milliseconds of CPU time, one thread."""
    torch.set_num_threads(1)
    centre, frame = np.zeros(1), lattice_frame()
    network, peer, product = torch_mlp(MLP), WindowByWindow(MLP), gemm()
    rows = []
    for stride in STRIDES:
        convolutional, mlp = (mapper_of(weights, folder, stride) for weights in (CONVOLUTIONAL, MLP))
        route = convolutional.route
        if not isinstance(route, DenseRoute):
            raise TypeError("expected a dense route")
        bare = GraphRoute(convolutional.model, stride, provider="onnxruntime")._graph
        intensity = convolutional.model.manifest.intensity
        scaling = {"centre": centre, "channel_scale": intensity.channel_scale, "sd_floor": intensity.sd_floor}
        sd = window_deviations(frame, (32, 32), stride, **scaling)
        readout = read_readout(convolutional.model)
        code = np.ones((readout.planes, *sd.shape), np.float32)
        inputs = {"differences": difference_frame(frame)[0][np.newaxis], "sd": sd[np.newaxis, np.newaxis]}
        fast = {
            "convolutional": lambda c=convolutional: c.map(frame),
            "graph": lambda g=bare, i=inputs: g.run(**i),
            "network": lambda r=route: r.encode(frame, centre),
            "preparation": lambda s=stride, k=scaling: window_deviations(frame, (32, 32), s, **k),
            "readout": lambda r=readout, c=code: r.read(c),
            "mlp": lambda m=mlp: m.map(frame),
            "gemm": product,
        }
        together = {name: repeated(job, 0.05) for name, job in fast.items()}
        jobs = {name: job for name, (job, _) in together.items()} | {
            "pipeline": lambda s=stride: users_pipeline(frame[0], network, 32, s),
            "well_written": lambda s=stride: well_written(frame[0], network, 32, s),
            "onnxruntime": lambda s=stride: peer(frame[0], 32, s),
        }
        times = take_turns(jobs, max(3, rounds if stride > 1 else rounds // 2))
        for name, (_, count) in together.items():
            times[name], times[f"{name}_spread"] = times[name] / count, times[f"{name}_spread"] / count
        times["network"] -= times["preparation"] + times["readout"]  # what is left of the route's time
        flops = arithmetic(CONVOLUTIONAL, stride)
        gflops = flops / times["network"] * 1e-6
        rows.append(
            {
                "stride": stride,
                **times,
                "convolutional_against_pipeline": times["pipeline"] / times["convolutional"],
                "mlp_against_pipeline": times["pipeline"] / times["mlp"],
                "graph_against_map": times["graph"] / times["convolutional"],
                "beyond_graph": times["convolutional"] / times["graph"] - 1,
                "beyond_network": times["convolutional"] / times["network"] - 1,
                "gflop": flops * 1e-9,
                "of_fma": gflops / limits["fma_gflops"],
                "of_gemm": gflops / (GEMM_GFLOP / times["gemm"] * 1e3),
            }
        )
    return rows
