"""A network that is an ONNX program, run by onnxruntime; what it may not hold is refused."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparseseg.errors import UserError

_DOMAINS = {"", "ai.onnx"}
# A loop may have no end; no network for images needs one.
_REFUSED = {"Loop", "Scan", "If", "SequenceMap"}
_MOST_BYTES = 2**31 - 1


class OnnxProgram(nn.Module):
    """Map images (n, c, ...) to what an ONNX program answers, in a tuple.

    The program is kept as bytes among the weights. `into` and `out` say at which place
    of the program's input and output the axes n, c, z, y, x (or n, c, y, x) are; -1
    where there is no such axis.
    """

    def __init__(
        self, size: int, outputs: int, *, into: Sequence[int], out: Sequence[int]
    ) -> None:
        super().__init__()
        if not 0 < size <= _MOST_BYTES:
            raise ValueError(f"an ONNX program of {size} bytes")
        self.outputs = outputs
        self.into, self.out = _places(into), _places(out)
        empty = torch.zeros(size, dtype=torch.uint8)
        # A parameter, so that it has a device and travels as weights do.
        self.program = nn.Parameter(empty, requires_grad=False)
        self._session: Any = None

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raise `UserError` for a program that does not answer to such an image."""
        if self._session is None:
            self._session = _session(self.program.detach().cpu().numpy().tobytes())
        given = np.ascontiguousarray(_arranged(image.cpu().numpy(), self.into))
        try:
            name = self._session.get_inputs()[0].name
            found = self._session.run(None, {name: given})[0]
            answer = _back(np.asarray(found, np.float32), self.out)
        except Exception as error:
            raise UserError(
                "the ONNX program of the model failed on {shape} "
                "({error}): it is damaged, or made for "
                "another size",
                shape=tuple(image.shape),
                error=str(error).splitlines()[0][:200],
            ) from error
        if answer.shape[:2] != (len(image), self.outputs):
            raise UserError(
                "the ONNX program of the model answers {shape} channels, and "
                "its description says {outputs}: this model cannot be used",
                shape=answer.shape[1],
                outputs=self.outputs,
            )
        return (torch.from_numpy(answer).to(image.device),)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the running session out: it is made anew where it is needed."""
        return {**self.__dict__, "_session": None}


def check_program(content: bytes) -> None:
    """Raise `UserError` for an ONNX program with parts from outside, or loops.

    Nothing in it is run.
    """
    onnx = _library("onnx")
    try:
        model = onnx.load_model_from_string(content)
        graphs = list(_graphs(model))
    except Exception as error:
        raise UserError(
            "the ONNX program is damaged or cut short ({kind}): fetch it again",
            kind=type(error).__name__,
        ) from error
    local = {(function.domain, function.name) for function in model.functions}
    outside = onnx.TensorProto.EXTERNAL
    for nodes, tensors in graphs:
        if any(tensor.data_location == outside for tensor in tensors):
            raise UserError(
                "the ONNX program takes weights from another file, and a model may not "
                "name files: it was not loaded"
            )
        for node in nodes:
            _check_node(node, local)


def _check_node(node: Any, local: set[tuple[str, str]]) -> None:
    if node.op_type in _REFUSED:
        raise UserError(
            "the ONNX program holds {op_type}, which may never end: it was not loaded",
            op_type=node.op_type,
        )
    if node.domain not in _DOMAINS and (node.domain, node.op_type) not in local:
        raise UserError(
            "the ONNX program asks for {domain}.{op_type}, which is "
            "no part of ONNX: it was not loaded",
            domain=node.domain[:60],
            op_type=node.op_type[:60],
        )


def _graphs(model: Any) -> Iterable[tuple[list[Any], list[Any]]]:
    """Yield nodes and tensors of the graph and of each function in the program."""
    yield list(model.graph.node), [*model.graph.initializer, *_inner(model.graph.node)]
    for function in model.functions:
        yield list(function.node), _inner(function.node)
    if model.graph.sparse_initializer:
        raise ValueError("sparse weights")


def _inner(nodes: Iterable[Any]) -> list[Any]:
    return [
        attribute.t
        for node in nodes
        for attribute in node.attribute
        if attribute.HasField("t")
    ]


def _session(content: bytes) -> Any:
    check_program(content)
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what fails is told by an error
    try:
        return runtime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UserError(
            "onnxruntime cannot load the program of the model "
            "({error}): fetch it again",
            error=str(error).splitlines()[0][:200],
        ) from error


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            'a model of ONNX needs {name}: run `pip install "sparseseg[export]"`',
            name=name,
        ) from error


def _places(places: Sequence[int]) -> tuple[int, ...]:
    known = sorted(place for place in places if place >= 0)
    if known != list(range(len(known))) or len(places) not in (4, 5):
        raise ValueError(f"axes at {list(places)}")
    return tuple(map(int, places))


def _arranged(image: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """Return (n, c, ...) with its axes at these places; those at -1 have to be 1."""
    without = tuple(axis for axis, place in enumerate(places) if place < 0)
    kept = [place for place in places if place >= 0]
    return image.squeeze(without).transpose(np.argsort(kept))


def _back(found: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """Return (n, c, ...) from an answer whose axes are at these places."""
    kept = [place for place in places if place >= 0]
    without = tuple(axis for axis, place in enumerate(places) if place < 0)
    return np.ascontiguousarray(np.expand_dims(found.transpose(kept), without))
