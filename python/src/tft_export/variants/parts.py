"""Names the parts of a graph after the network's modules, for model.json to say which needs what.

A node belongs to the module whose weights it reads, by the names of the initializers; a node without
weights belongs to the part that it takes its last input from. A module's products are a part of
their own. Nodes before the first module prepare the raw inputs (`preprocess`), nodes after the last layer
bring the forecast back (`restore`). Both exporters write weights under their modules' names.
"""

from collections import Counter

import onnx

from .typed_graph import MOVES, initializers_of, key_of

PREPROCESS, RESTORE, RECURRENT, OUTPUT = "preprocess", "restore", "recurrent", "output"
# Added to a module's name: for its products, and for the roots and squares with which it norms values.
PRODUCTS, STATISTICS = " products", " statistics"
# The nodes that an LSTM reads directly.
RECURRENT_INPUTS = "recurrent inputs"

_ELEMENTWISE = {"Add", "Mul", "Sub"}
_ROOTS = {"Sqrt", "Reciprocal"}


def parts_of(model: onnx.ModelProto) -> dict[str, str]:
    """The part of each node, by `key_of(node)`, in the graph's order."""
    weights = initializers_of(model)
    readers = Counter(name for node in model.graph.node for name in node.input if name in weights)
    part_of_tensor: dict[str, tuple[int, str]] = {}
    parts: dict[str, str] = {}
    for position, node in enumerate(model.graph.node):
        part = _named(node, weights, readers) or _inherited(node, part_of_tensor)
        parts[key_of(node)] = part
        for name in node.output:
            part_of_tensor[name] = (position, part)
    _move_to_consumer(model, parts)
    _split_off_statistics(model, parts)
    _split_off_restore(model, parts, weights)
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Gemm") and parts[key_of(node)] != PREPROCESS:
            parts[key_of(node)] += PRODUCTS
    _split_off_feeding(model, parts)
    return parts


def _named(node: onnx.NodeProto, weights: dict, readers: Counter) -> str | None:
    if node.op_type == "LSTM":
        return RECURRENT
    for name in node.input:
        # A weight that several modules share (the exporter merges equal ones) names none of them.
        if name in weights and "." in name and readers[name] == 1:
            return ".".join(name.split(".")[:-1][:2])
    return None


def _inherited(node: onnx.NodeProto, part_of_tensor: dict[str, tuple[int, str]]) -> str:
    sources = [part_of_tensor[name] for name in node.input if name in part_of_tensor]
    part = max(sources)[1] if sources else PREPROCESS
    return PREPROCESS if part.startswith(PREPROCESS) else part


def _move_to_consumer(model: onnx.ModelProto, parts: dict[str, str]) -> None:
    """A node that only rearranges one tensor for a single part belongs to that part."""
    consumers: dict[str, set[str]] = {}
    for node in reversed(model.graph.node):
        key = key_of(node)
        readers = set().union(*(consumers.get(name, set()) for name in node.output))
        if parts[key].startswith(PREPROCESS):
            parts[key] = PREPROCESS
            if node.op_type in MOVES - {"Concat"} and len(readers) == 1:
                parts[key] = readers.pop()
        for name in node.input:
            consumers.setdefault(name, set()).add(parts[key])


def _split_off_statistics(model: onnx.ModelProto, parts: dict[str, str]) -> None:
    """Roots and the squares under them, which a module computes itself to norm its values."""
    producer = {name: node for node in model.graph.node for name in node.output}

    def mark(node: onnx.NodeProto, part: str) -> None:
        if parts[key_of(node)] != part:
            return
        parts[key_of(node)] = part + STATISTICS
        for name in node.input:
            above = producer.get(name)
            if above is not None and above.op_type in _ELEMENTWISE | _ROOTS:
                mark(above, part)

    for node in model.graph.node:
        part = parts[key_of(node)]
        if node.op_type in _ROOTS and part != PREPROCESS and not part.endswith(STATISTICS):
            mark(node, part)


def _split_off_feeding(model: onnx.ModelProto, parts: dict[str, str]) -> None:
    read = {name for node in model.graph.node if node.op_type == "LSTM" for name in node.input if name}
    for node in model.graph.node:
        if node.op_type != "LSTM" and not read.isdisjoint(node.output):
            parts[key_of(node)] = RECURRENT_INPUTS


def _split_off_restore(model: onnx.ModelProto, parts: dict[str, str], weights: dict) -> None:
    """Splits off what follows the last layer's product and bias."""
    named = [
        position
        for position, node in enumerate(model.graph.node)
        if any(name in weights and name.startswith(f"{OUTPUT}.") for name in node.input)
    ]
    for node in list(model.graph.node)[max(named, default=len(model.graph.node) - 1) + 1 :]:
        parts[key_of(node)] = RESTORE
