"""Check of an ONNX graph before onnxruntime sees it.

A model file is data from elsewhere. onnxruntime would resolve external tensors against the working directory, run
subgraphs for ever and allocate as much memory as a few bytes demand. So a graph is read here first, from its protobuf
wire format alone (the `onnx` package is larger than the whole runtime), and refused unless it is plain: standard
operators from a short list, tensors inside the file, no subgraphs, no functions.

Field numbers are those of onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ModelFileError

__all__ = ["OPERATORS", "check_graph"]

#: Operators that an encoder or a decoder may use.
OPERATORS = frozenset(
    [
        "Abs",
        "Add",
        "Atan",
        "Cast",
        "Clip",
        "Concat",
        "Conv",
        "Cos",
        "Div",
        "Exp",
        "Gather",
        "Gemm",
        "Greater",
        "GridSample",
        "Identity",
        "Less",
        "MatMul",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "Relu",
        "Reshape",
        "Round",
        "Shape",
        "Sigmoid",
        "Sin",
        "Slice",
        "Softplus",
        "Split",
        "Sqrt",
        "Sub",
        "Tanh",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)


def check_graph(data: bytes, name: str) -> None:
    """Refuse the serialised model `data` unless it is plain; `name` is for the message.

    Raises
    ------
    ModelFileError
        for external data, a subgraph, a function, a foreign domain, or an operator outside `OPERATORS`; it names which.
    """
    try:
        graphs = 0
        for number, value in _fields(memoryview(data)):
            if number == 25:
                raise ModelFileError(f"{name} defines its own functions, which a model file may not: export it again")
            if number == 20:
                raise ModelFileError(f"{name} holds training graphs, which a model file may not: export it again")
            if number == 7:
                graphs += 1
                _check_graph_proto(_message(value), name)
        if graphs != 1:
            raise ModelFileError(f"{name} holds {graphs} graphs instead of one: export it again")
    except (IndexError, UnicodeDecodeError, TypeError) as error:
        raise ModelFileError(f"{name} is not an ONNX graph: export the model again") from error


def _check_graph_proto(graph: memoryview, name: str) -> None:
    for number, value in _fields(graph):
        if number == 1:
            _check_node(_message(value), name)
        elif number == 5:
            _check_tensor(_message(value), name)
        elif number == 15:
            raise ModelFileError(f"{name} uses sparse tensors, which a model file may not: export it again")


def _check_node(node: memoryview, name: str) -> None:
    operator = domain = ""
    for number, value in _fields(node):
        if number == 4:
            operator = str(_message(value), "utf-8")
        elif number == 7:
            domain = str(_message(value), "utf-8")
        elif number == 5:
            for attribute, content in _fields(_message(value)):
                if attribute in (6, 11):
                    raise ModelFileError(f"{name} holds a subgraph, which a model file may not: export it again")
                if attribute in (5, 10):
                    _check_tensor(_message(content), name)
    if domain not in ("", "ai.onnx") or operator not in OPERATORS:
        raise ModelFileError(
            f"{name} uses the operator {domain + '.' if domain else ''}{operator}, which is not on the list of this "
            "version: update shiftvae-rt or export the model again"
        )


def _check_tensor(tensor: memoryview, name: str) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):
            raise ModelFileError(f"{name} keeps tensors outside the file, which a model file may not: export it again")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise TypeError("a number where a message was expected")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield the field numbers and values of one protobuf message; IndexError when it is cut short."""
    at = 0
    while at < len(data):
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = _varint(data, at - 1)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size = data[at]
            at += 1
            if size >= 0x80:
                size, at = _varint(data, at - 1)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise IndexError(f"wire type {kind}")
        if at + size > len(data):
            raise IndexError("cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a number without end")
