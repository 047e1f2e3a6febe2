"""A network to model.onnx: opset 17, dynamic batch, only operators that TensorRT's parser takes.

The dynamo exporter writes opset 18 even if another is requested, and no automatic converter can lower this
graph. `_to_opset_17` makes the three changes by hand. If the dynamo exporter fails, the legacy exporter
writes the same file, and if that fails too, it does so from what torch.jit.trace makes of the network.
"""

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from ..checkpoint.structure import Structure
from ..checkpoint.tensors import BATCH, TensorSpec, input_tensors
from ..description import INPUT_NAMES, WRITERS
from ..errors import ExportError
from .network import TemporalFusionNetwork, example_inputs
from .regions import record_regions, take_regions

OPSET = 17
IR_VERSION = 8

# Every operator that a rewritten network may contain; TensorRT 10.0 and newer parse all of them.
ALLOWED_OPERATORS = {
    "Add", "And", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Div", "Elu", "Equal", "Exp",
    "Expand", "Floor", "Gather", "Greater", "Identity", "LSTM", "LayerNormalization", "Less", "Log",
    "MatMul", "Max", "Min", "Mul", "Neg", "Pow", "Range", "Reciprocal", "ReduceMean", "ReduceSum",
    "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Sqrt", "Squeeze",
    "Sub", "Tanh", "TopK", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip

Outputs = Sequence[TensorSpec]

_ONNX_TYPES = {"float32": onnx.TensorProto.FLOAT, "int32": onnx.TensorProto.INT32}

# Until opset 17 these take their axes as an attribute.
_REDUCTIONS = {
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
}


def write_onnx(
    network: TemporalFusionNetwork,
    structure: Structure,
    path: Path,
    exporter: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """Writes model.onnx and returns the name of the exporter that wrote it, one of WRITERS.

    `exporter` forces one; by default they are tried in turn. Raises ExportError export_failed.
    """
    failures = []
    for attempt in (exporter,) if exporter else WRITERS:
        progress(f"writing {path.name} by {WRITERS[attempt]}")
        try:
            model = _EXPORTERS[attempt](network, structure, network.outputs)
            check_operators(model)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:
            # The exporters and the checker may raise any exception; the next exporter may succeed.
            first = str(error).splitlines()[0] if str(error) else ""
            failures.append(f"{attempt}: {type(error).__name__}: {first}")
            progress(f"that failed: {failures[-1]}")
            continue
        onnx.save(model, path)
        return attempt
    raise ExportError("export_failed", "no exporter could write the graph; " + "; ".join(failures))


def write_torchscript(network: nn.Module, structure: Structure, path: Path) -> None:
    """Traces the network for LibTorch: the same inputs in order, any batch."""
    _traced(network, structure).save(str(path))


def operator_counts(model: onnx.ModelProto) -> Counter:
    return Counter(node.op_type for node in model.graph.node)


def check_operators(model: onnx.ModelProto) -> None:
    """Raises ExportError operator_not_allowed."""
    foreign = sorted(set(operator_counts(model)) - ALLOWED_OPERATORS)
    if foreign:
        raise ExportError(
            "operator_not_allowed", f"the graph contains {', '.join(foreign)}, which the engines may not take"
        )


def _export_dynamo(network: nn.Module, structure: Structure, outputs: Outputs) -> onnx.ModelProto:
    inputs, names = _names(structure, outputs)
    arguments = _arguments(structure)
    batch = torch.export.Dim(BATCH, min=1)
    further = tuple({0: batch} for _ in inputs[len(INPUT_NAMES) :])
    dynamic = [*({0: batch} for _ in INPUT_NAMES), *([further] if further else [])]
    with _quiet(), torch.no_grad():
        # Captured here because torch.onnx would first write the LSTM as a loop.
        captured = torch.export.export(network, arguments, dynamic_shapes=dynamic, strict=False)
        program = torch.onnx.export(
            captured,
            arguments,
            dynamo=True,
            opset_version=18,
            input_names=inputs,
            output_names=names,
            external_data=False,
            verbose=False,
        )
    written = program.model_proto
    regions = take_regions(written)
    model = _finished(_to_opset_17(written), structure, outputs)
    record_regions(model, regions)
    return model


def _export_trace(network: nn.Module, structure: Structure, outputs: Outputs) -> onnx.ModelProto:
    return _export_legacy(_traced(network, structure), structure, outputs)


def _export_legacy(network: nn.Module, structure: Structure, outputs: Outputs) -> onnx.ModelProto:
    inputs, names = _names(structure, outputs)
    written = io.BytesIO()
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            network,
            _arguments(structure),
            written,
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=names,
            dynamic_axes={name: {0: BATCH} for name in (*inputs, *names)},
        )
    model = onnx.load_from_string(written.getvalue())
    return _finished(_constants_as_initializers(model), structure, outputs)


_EXPORTERS = {"dynamo": _export_dynamo, "legacy": _export_legacy, "trace": _export_trace}


def _traced(network: nn.Module, structure: Structure) -> torch.jit.ScriptModule:
    with _quiet(), torch.no_grad():
        return torch.jit.trace(network, _arguments(structure), check_trace=False)


def _names(structure: Structure, outputs: Outputs) -> tuple[list[str], list[str]]:
    """Of the inputs and of the outputs, in order."""
    return [t.name for t in input_tensors(structure)], [t.name for t in outputs]


def _arguments(structure: Structure) -> tuple[torch.Tensor, ...]:
    inputs = example_inputs(structure, 3)
    return tuple(inputs[tensor.name] for tensor in input_tensors(structure))


def _to_opset_17(model: onnx.ModelProto) -> onnx.ModelProto:
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Split":
            _drop_attribute(node, "num_outputs")
        elif node.op_type in _REDUCTIONS:
            _drop_attribute(node, "noop_with_empty_axes")
            if len(node.input) > 1:
                axes = numpy_helper.to_array(initializers[node.input[1]]).tolist()
                del node.input[1]
                node.attribute.append(helper.make_attribute("axes", axes))
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", OPSET))
    return model


def _constants_as_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The legacy exporter writes a Constant node for each number; a runtime would fold them anyway."""
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = model.graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _finished(model: onnx.ModelProto, structure: Structure, outputs: Outputs) -> onnx.ModelProto:
    """Removes what no runtime reads (stack traces are most of the file) and names the dynamic axis."""
    model.ir_version = IR_VERSION
    del model.functions[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    used = {name for node in model.graph.node for name in node.input}
    unused = [tensor for tensor in model.graph.initializer if tensor.name not in used]
    for tensor in unused:
        model.graph.initializer.remove(tensor)
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    # Callers send all inputs, also those that this model does not read and an exporter dropped.
    del model.graph.input[:]
    del model.graph.output[:]
    for tensor in input_tensors(structure):
        model.graph.input.append(_value_info(tensor))
    for tensor in outputs:
        model.graph.output.append(_value_info(tensor))
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def _value_info(tensor: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _ONNX_TYPES[tensor.type], [BATCH, *tensor.shape])


def _drop_attribute(node: onnx.NodeProto, name: str) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


@contextlib.contextmanager
def _quiet():
    """Silences the exporters: their warnings are about torch, not about the user's model."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
