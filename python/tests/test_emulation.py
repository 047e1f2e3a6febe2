"""FP16 on a CPU: the emulator shows what ONNX Runtime alone hides."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tft_export.variants.emulate import Runner
from tft_export.variants.half import with_half
from tft_export.variants.quantize import products, raised, with_quantized
from tft_export.variants.typed_graph import key_of


def graph_of(nodes, initializers, inputs=("x",), shape=("n",)):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value(name, TensorProto.FLOAT, shape) for name in inputs],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def there_and_back():
    """x * 60000 / 60000: the identity, but not in FP16."""
    nodes = [helper.make_node("Mul", ["x", "big"], ["z"]), helper.make_node("Div", ["z", "big"], ["y"])]
    return with_half(graph_of(nodes, {"big": np.float32(60000)}), ())


def test_an_overflow_shows_although_onnx_runtime_hides_it(there_and_back):
    x = np.array([0.5, 1.0, 1.5, -2.0], np.float32)
    emulated = Runner(there_and_back).forecasts({"x": x})
    np.testing.assert_array_equal(emulated, np.array([0.5, 1.0, np.inf, -np.inf], np.float32))
    session = onnxruntime.InferenceSession(
        there_and_back.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert np.isfinite(session.run(None, {"x": x})[0]).all()


def test_every_operator_rounds_as_numpys_half_does():
    rng = np.random.default_rng(1)
    x, a, b = (rng.normal(size=1000).astype(np.float32) for _ in range(3))
    nodes = [
        helper.make_node("Mul", ["x", "a"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["s"]),
        helper.make_node("Mul", ["s", "s"], ["y"]),
    ]
    found = Runner(with_half(graph_of(nodes, {"a": a, "b": b}), ())).run({"x": x})[0]
    halves = [array.astype(np.float16) for array in (x, a, b)]
    total = halves[0] * halves[1] + halves[2]
    np.testing.assert_array_equal(found, (total * total).astype(np.float32))


def test_tiny_values_become_subnormal_or_zero(there_and_back):
    x = np.array([1e-9, 4e-6], np.float32)
    found = Runner(there_and_back).forecasts({"x": x})
    assert found[0] == 0
    assert found[1] == pytest.approx(4e-6, rel=0.02)


def test_nodes_that_stay_in_fp32_are_not_rounded():
    nodes = [helper.make_node("Mul", ["x", "big"], ["z"]), helper.make_node("Div", ["z", "big"], ["y"])]
    model = with_half(graph_of(nodes, {"big": np.float32(60000)}), {"z", "y"})
    x = np.array([1.5, 0.1], np.float32)
    np.testing.assert_allclose(Runner(model).forecasts({"x": x}), x, rtol=1e-6)


def test_an_lstms_state_is_rounded_at_every_step():
    steps, batch, inputs, size = 40, 3, 5, 4
    generator = torch.Generator().manual_seed(2)
    weight, recurrence, bias, x = (
        torch.randn(shape, generator=generator).half()
        for shape in ((4 * size, inputs), (4 * size, size), (4 * size,), (steps, batch, inputs))
    )
    nodes = [helper.make_node("LSTM", ["x", "w", "r", "b", "", "h", "c"], ["y"], hidden_size=size)]
    zero = np.zeros((1, batch, size), np.float32)
    both = np.concatenate([bias.float().numpy(), np.zeros(4 * size, np.float32)])
    initializers = {
        "w": weight.float().numpy()[None],
        "r": recurrence.float().numpy()[None],
        "b": both[None],
        "h": zero,
        "c": zero,
    }
    model = with_half(graph_of(nodes, initializers, shape=(steps, batch, inputs)), ())
    (found,) = Runner(model).run({"x": x.float().numpy()})
    hidden = cell = torch.zeros(batch, size).half()
    expected = []
    for step in x:
        gates = (step.float() @ weight.float().T).half() + bias
        gates = gates + (hidden.float() @ recurrence.float().T).half()
        i, o, f, c = gates.chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(c)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        expected.append(hidden)
    expected = torch.stack(expected)[:, None].float().numpy()
    assert found.shape == (steps, 1, batch, size)
    np.testing.assert_array_equal(found, found.astype(np.float16).astype(np.float32))
    # A sum may round the other way where its order differs.
    assert np.abs(found - expected).max() < 4e-3
    exact = onnxruntime.InferenceSession(
        graph_of(nodes, initializers, shape=(steps, batch, inputs)).SerializeToString()
    ).run(None, {"x": x.float().numpy()})[0]
    assert np.abs(found - exact).max() > np.abs(exact.astype(np.float16) - exact).max()


def test_a_quantized_graph_is_not_fused_into_integer_kernels():
    """What is computed is what is written: 8 bits where the pairs stand, FP16 elsewhere."""
    weight = np.eye(8, dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    base = with_half(raised(graph_of(nodes, {"w": weight}, shape=("n", 8))), ())
    model = with_quantized(base, {key_of(node) for node in products(base)}, {"x.fp16": 1.27})
    onnx.checker.check_model(model, full_check=True)
    x = np.linspace(-2, 2, 80, dtype=np.float32).reshape(10, 8)
    found = Runner(model).forecasts({"x": x})
    assert np.abs(found - np.clip(x, -1.28, 1.27)).max() <= 0.0065
    assert len(np.unique(found)) < 80
