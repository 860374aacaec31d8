"""What int8 convolutions would bring to an encoder with ReLU: all but its first and last layers in int8, on one frame.

    python benchmarks/speed/int8.py [--rounds 9]

Scales are calibrated on the frame itself, one for each layer's output and one for each channel of its weights.
Differences are root mean squares in units of a latent's deviation over the frame, the worst latent. Random weights.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from random_models import random_weights
from report import table

from shiftvae_rt.benchmark import lattice_frame, repeated, take_turns
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.kernels.windows import difference_frame, window_statistics
from shiftvae_training.graphs.runtime_graphs import readout_of, runtime_graphs
from shiftvae_training.model.encoder_weights import EncoderWeights

Inputs = dict[str, NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    weights = random_weights("convolutional", waves=False)
    print(table([measure(weights, stride, options.rounds) for stride in (1, 4)]))


def measure(weights: EncoderWeights, stride: int, rounds: int) -> dict[str, Any]:
    """Milliseconds in float32 and int8, and the differences."""
    frame = lattice_frame()
    sd = window_statistics(frame, weights.window, stride)[1] * weights.channel_scale[0]
    inputs = {"differences": difference_frame(frame)[0][np.newaxis], "sd": sd[np.newaxis].astype(np.float32)}
    graph = onnx.load_from_string(runtime_graphs(weights, (stride,))[f"dense_s{stride}.onnx"])
    sessions = {"float32": session_of(graph), "int8": session_of(quantised(graph, inputs))}
    mean = {key: readout_of(weights).read(session.run(["code"], inputs)[0][0])[0] for key, session in sessions.items()}
    off = (mean["int8"] - mean["float32"]).astype(np.float64)
    off[:2] = modulo_lattice(off[:2], weights.lattice)
    away = np.sqrt(np.square(off).mean(axis=(1, 2))) / mean["float32"].std(axis=(1, 2))
    jobs = {key: repeated(lambda s=session: s.run(None, inputs), 0.05) for key, session in sessions.items()}
    times = take_turns({key: job for key, (job, _) in jobs.items()}, rounds)
    ms = {key: times[key] / count for key, (_, count) in jobs.items()}
    gain = ms["float32"] / ms["int8"]
    return {"stride": stride, **ms, "gain": gain, "difference": float(away.max())}


def session_of(graph: onnx.ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def quantised(graph: onnx.ModelProto, inputs: Inputs) -> onnx.ModelProto:
    """The graph with every convolution between two ReLUs in int8."""
    after = {node.input[0]: node.output[0] for node in graph.graph.node if node.op_type == "Relu"}
    first, *_, last = list(after.values())
    scales = ranges_of(graph, list(after.values()), inputs)
    weights = {value.name: numpy_helper.to_array(value) for value in graph.graph.initializer}
    nodes, constants = [], {"zero": np.uint8(0), **{f"{name}_s": np.float32(s) for name, s in scales.items()}}
    for node in graph.graph.node:
        if node.op_type == "Conv" and node.output[0] in after and node.input[0] in scales:
            x, y, w = node.input[0], after[node.output[0]], node.input[1]
            step = np.abs(weights[w]).max(axis=(1, 2, 3)) / 127
            constants |= {
                f"{w}_q": np.rint(weights[w] / step[:, None, None, None]).astype(np.int8),
                f"{w}_s": step.astype(np.float32),
                f"{w}_z": np.zeros(len(step), np.int8),
            }
            names = [f"{x}_q", f"{x}_s", "zero", f"{w}_q", f"{w}_s", f"{w}_z", f"{y}_s", "zero"]
            nodes.append(helper.make_node("QLinearConv", names, [f"{y}_q"]))
            nodes[-1].attribute.extend(node.attribute)
        elif node.op_type != "Relu" or node.output[0] == first:
            nodes.append(node)
        if node.op_type == "Relu" and node.output[0] == first:
            nodes.append(helper.make_node("QuantizeLinear", [first, f"{first}_s", "zero"], [f"{first}_q"]))
        if node.op_type == "Relu" and node.output[0] == last:
            nodes.append(helper.make_node("DequantizeLinear", [f"{last}_q", f"{last}_s", "zero"], [last]))
    small = onnx.ModelProto()
    small.CopyFrom(graph)
    del small.graph.node[:]
    small.graph.node.extend(nodes)
    small.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    return small


def ranges_of(graph: onnx.ModelProto, names: list[str], inputs: Inputs) -> dict[str, float]:
    """Size of a step of each tensor: 255 of them reach all but one value in 10,000."""
    shown = onnx.ModelProto()
    shown.CopyFrom(graph)
    shown.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    values = session_of(shown).run(names, inputs)
    return {name: float(np.quantile(v[..., ::3, ::3], 0.9999)) / 255 for name, v in zip(names, values, strict=True)}


if __name__ == "__main__":
    main()
