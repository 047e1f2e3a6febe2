"""A training step as a CUDA graph.

A step is a thousand small kernels, and starting them takes the processor longer than the GPU needs to run
them: replayed as one graph they take a fifth of the time. The graph reads its draws from fixed tensors.
"""

from collections.abc import Callable

import torch

from .draws import Drawn

_AS_IT_IS = 3  # the first steps are not captured: libraries allocate their memory in them


class CapturedStep:
    """Calls `step` with the draws for the first few times, captures it, and replays that from then on.

    `step` must return the loss, wait for nothing on the device, and do the same for every draw.
    """

    def __init__(self, step: Callable[[Drawn], torch.Tensor]):
        self._step = step
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._draws: Drawn | None = None
        self._loss = torch.zeros(())
        self._calls = 0

    def __call__(self, drawn: Drawn) -> torch.Tensor:
        self._calls += 1
        if self._draws is None:
            self._draws = drawn.clone()
        self._draws.copy_(drawn)
        if self._calls <= _AS_IT_IS:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._loss = self._step(self._draws)
            torch.cuda.current_stream().wait_stream(self._stream)
            return self._loss
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._loss = self._step(self._draws)
        self._graph.replay()
        return self._loss
