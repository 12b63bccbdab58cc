"""Target ``integers``: codes, grids, shapes and order of the integer net, as one npz and one JSON for any reader."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chop.export.cpp import not_whole
from chop.export.target import Refusal, Sample, Target, register
from chop.integers import IntegerNet, Operation, QuantizedView, execute, integer_net
from chop.integers.net import Tensor
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError
from chop.tools.npz_file import npz_payload

VERSION = 1
_GRAPH, _ARRAYS = "net.json", "net.npz"


@register
class Integers(Target):
    """``net.json`` (operations in order) and ``net.npz`` (their constants) in a folder."""

    name, file = "integers", "integers"
    as_numbers = ("chop",)  # codes have no sign of zero
    takes_features = True

    def refusals(self, view: QuantizedView) -> Iterator[Refusal]:
        yield from not_whole(view)

    def write(self, view: QuantizedView, path: Path, sample: Sample) -> None:
        net = integer_net(view)
        path.mkdir()
        rows, arrays = [], dict[str, np.ndarray]()
        for place, op in enumerate(net.operations):
            names = {key: f"{place}.{key}" for key in op.constants}
            arrays |= {names[key]: _small(value) for key, value in op.constants.items()}
            rows.append(_row(op) | {"constants": names})
        data = npz_payload(arrays)
        content = {
            "format": "chop integer net",
            "version": VERSION,
            "fuses_batch_norm": net.fuses_batch_norm,
            "sha256": hashlib.sha256(data).hexdigest(),
            "output": net.output.name,
            "operations": rows,
        }
        atomic_write(path / _GRAPH, json.dumps(content, indent=1) + "\n")
        atomic_write(path / _ARRAYS, data)

    def execute(self, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"chop's reader in NumPy": execute(read_integers(path), x)}


def read_integers(path: str | Path) -> IntegerNet:
    """Read what the target ``integers`` wrote.

    Args:
        path: the folder with ``net.json`` and ``net.npz``.

    Raises:
        ConfigError: no such files, or not of this format and version.
    """
    folder = Path(path)
    try:
        content = json.loads((folder / _GRAPH).read_text(encoding="utf-8"))
        if content["format"] != "chop integer net" or content["version"] != VERSION:
            raise ValueError(f"version {content['version']} of {content['format']!r}; {VERSION} is read here")
        data = (folder / _ARRAYS).read_bytes()
        if hashlib.sha256(data).hexdigest() != content["sha256"]:
            raise ValueError(f"{_ARRAYS} is not the file that {_GRAPH} was written with")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            operations = tuple(_operation(row, arrays) for row in content["operations"])
        output = next(op.output for op in operations if op.output.name == content["output"])
        return IntegerNet(operations, output, bool(content["fuses_batch_norm"]))
    except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
        raise ConfigError(f"{folder}: no integer net: {error!r}") from None


def _row(op: Operation) -> dict[str, Any]:
    o = op.output
    found: dict[str, Any] = {"kind": op.kind, "node": op.node, "inputs": list(op.inputs)}
    found |= {"output": o.name, "shape": list(o.shape)}
    if o.frac_width is not None:
        found |= {"frac_width": o.frac_width, "low": o.low, "high": o.high}
    return found | {"settings": {key: _plain(value) for key, value in op.settings.items()}}


def _operation(row: dict[str, Any], arrays: Any) -> Operation:
    frac = row.get("frac_width")
    output = Tensor(row["output"], tuple(row["shape"]), frac, row.get("low", 0), row.get("high", 0))
    constants = {}
    for key, name in row["constants"].items():
        value = arrays[name]
        constants[key] = value if value.dtype == np.float32 else value.astype(np.int64)
    return Operation(row["kind"], tuple(row["inputs"]), output, row["node"], constants, row["settings"])


def _plain(value: Any) -> Any:
    return [int(v) for v in value] if isinstance(value, (list, tuple)) else value


def _small(values: np.ndarray) -> np.ndarray:
    """The same whole numbers in the narrowest type that holds them."""
    if values.dtype == np.float32 or not values.size:
        return values
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return next(values.astype(k) for k in kinds if np.array_equal(values.astype(k), values))
