"""Whether the network is being exported, and not compiled."""

import torch


def is_exporting() -> bool:
    """Whether torch.export traces the network, so that it may contain ONNX's own operators.

    In PyTorch 2.11 Dynamo also says so while torch.compile traces, for which these operators compute nothing.
    """
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
