"""Write, run what was written, compare, and only then give it its name."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chop import _core
from chop.evaluator import Config, Evaluator
from chop.export.proof import Proof
from chop.export.target import TARGETS, MissingExecutor, Sample, Target, versions
from chop.integers import QuantizedView, quantized_view
from chop.ir.graph.mase_graph import MaseGraph
from chop.nn.quantizers.element_format import plain_numbers
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

RECORD = "export.json"
DEFAULT_ROWS = 10_000
RECORDED = 100  # rows that formats with a test of their own carry


@dataclass(frozen=True)
class Exported:
    """What was written and how it was proven.

    Attributes:
        target: name of the format.
        path: the file or folder; its name ends in ``.unequal`` where the proof failed.
        proofs: one an executor; empty where none is installed.
        unproven: why there is no proof; empty where there is one.
        record: path of ``export.json``.
    """

    target: str
    path: Path
    proofs: tuple[Proof, ...]
    unproven: str
    record: Path

    @property
    def equal(self) -> bool:
        """Whether every executor gave the evaluator's outputs on every row, and there was one."""
        return bool(self.proofs) and all(map(TARGETS[self.target].holds, self.proofs))

    def __str__(self) -> str:
        lines = [f"{self.target}: {self.path}", *(f"  {proof}" for proof in self.proofs)]
        if self.unproven:
            lines.append(f"  unproven: {self.unproven}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Job:
    """A model under one config, for one target or several: what they have in common is made once.

    Attributes:
        evaluator: the model and rows.
        config: as :func:`export` takes it.
        most: rows to compare on.
    """

    evaluator: Evaluator
    config: Config | None
    most: int

    @cached_property
    def view(self) -> QuantizedView:
        """The quantized graph."""
        return quantized_view(self.evaluator, self.config)

    @cached_property
    def sample(self) -> Sample:
        """All rows to compare on and the evaluator's outputs."""
        x = self.evaluator._x[: self.most].to(torch.float32).contiguous().numpy()
        return Sample(x, self.evaluator.forward(self.config)[: len(x)].numpy())

    @cached_property
    def certificate(self) -> dict[str, Any] | None:
        """What is certain of the sums, as ``export.json`` holds it; None of a float model."""
        return None if self.config is None else self.evaluator.certificate(self.config).to_dict()

    def export(self, writer: Target, path: Path) -> Exported:
        """Write for one target, run, compare, name."""
        writer.check(self.view)
        final = _place(path, writer)
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=".export-") as folder:
            made = Path(folder) / final.name
            x, wanted = self.sample.x, self.sample.y
            writer.write(self.view, made, Sample(x[:RECORDED], wanted[:RECORDED]))
            proofs, unproven = _proofs(writer, made, x, wanted)
            proven = all(map(writer.holds, proofs))
            unequal = final.with_name(final.name + ".unequal")
            for old in (final, unequal):
                remove(old)
            final = final if proven else unequal
            made.replace(final)
        content = _record(writer, final, self, proofs, unproven)
        record = atomic_write(final.parent / RECORD, content)
        return Exported(writer.name, final, proofs, unproven, record)


def export(
    mg_or_ev: MaseGraph | nn.Module | Evaluator,
    config: Config | None,
    target: str,
    path: str | Path,
    x: Tensor | np.ndarray | None = None,
    rows: int = DEFAULT_ROWS,
) -> Exported:
    """Write a quantized model in another format, run it there, and compare with :meth:`Evaluator.forward`.

    Args:
        mg_or_ev: the model; an :class:`Evaluator` brings its rows along.
        config: the dict that ``quantize_transform_pass`` takes; None: the float model.
        target: a name of ``chop.export.TARGETS``.
        path: a folder, which gets the format's usual file name, or a file with that suffix. Beside it
            ``export.json`` tells proof, versions, SHA-256, config and certificate.
        x: rows to compare on, float32, shape [rows, ...]; needed with a graph or a module.
        rows: at most so many of them.

    Returns:
        Where it lies and what the proof found. Where outputs differ, the file's name ends in ``.unequal``.

    Raises:
        ConfigError: the target cannot say what the model computes (node, operand, reason, nearest target), or a
            package that writes it is missing.
        RuntimeError: what was written does not run where it should; nothing is left of it.
        UnknownNameError: no such target.

    >>> import tempfile
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> fixed = {"name": "integer", "data_in_width": 8, "data_in_frac_width": 4, "weight_width": 6,
    ...          "weight_frac_width": 4}
    >>> config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": fixed}}
    >>> made = export(model, config, "onnx-arithmetic", tempfile.mkdtemp(), x=torch.randn(100, 2))
    >>> made.equal
    True
    """
    writer = TARGETS[target]
    return Job(evaluator_of(mg_or_ev, x), config, rows).export(writer, Path(path))


def evaluator_of(mg_or_ev: MaseGraph | nn.Module | Evaluator, x: Tensor | np.ndarray | None) -> Evaluator:
    """Return the evaluator that a model and rows make, or the one that is given without any.

    Raises:
        ValueError: an evaluator with rows, or a model without.
    """
    if isinstance(mg_or_ev, Evaluator):
        if x is not None:
            raise ValueError("an Evaluator brings its rows along; leave x out")
        return mg_or_ev
    if x is None:
        raise ValueError("x is needed to compare on: rows of data, or give an Evaluator")
    model = mg_or_ev if isinstance(mg_or_ev, MaseGraph) else MaseGraph(mg_or_ev)
    return Evaluator(model, x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x, np.float32)))


def _place(path: Path, target: Target) -> Path:
    suffix = Path(target.file).suffix
    if suffix and path.suffix == suffix:
        return path
    if path.suffix and not path.is_dir():
        raise ConfigError(
            f"export to {target.name} writes {suffix or 'a folder'}: {str(path)!r} must be a folder"
        )
    return path / target.file


def _proofs(target: Target, path: Path, x: np.ndarray, wanted: np.ndarray) -> tuple[tuple[Proof, ...], str]:
    try:
        outputs = {name: _shaped(each, wanted) for name, each in target.execute(path, x).items()}
        return tuple(Proof.of(name, wanted, each) for name, each in outputs.items()), ""
    except MissingExecutor as error:
        return (), str(error)
    except Exception as error:  # what runs it has exceptions of its own
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise RuntimeError(f"export to {target.name}: what was written does not run: {what[:400]}") from error


def _shaped(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Executors that know no shapes give flat rows or numbers; any other shape is told by the comparison."""
    flat = (wanted.size,), (len(wanted), int(np.prod(wanted.shape[1:])))
    return found.reshape(wanted.shape) if found.shape in flat else found


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _record(target: Target, path: Path, job: Job, proofs: tuple[Proof, ...], unproven: str) -> str:
    content: dict[str, Any] = {
        "target": target.name,
        "equal": bool(proofs) and all(map(target.holds, proofs)),
        "unproven": unproven,
        "proofs": [proof.to_dict() for proof in proofs],
        "sha256": digests(path),
        "versions": {
            "chop": _core.__version__,
            **versions(("torch", "numpy", *target.writer, *target.executor)),
        },
        "config": plain_numbers(job.config),
        "certificate": job.certificate,
    }
    return json.dumps(finite(content), indent=1) + "\n"


def digests(path: Path) -> dict[str, str]:
    """Return file -> SHA-256 of a file, or of all files of a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {str(p.relative_to(path.parent)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def finite(value: Any) -> Any:
    """JSON has no infinity: text stands for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, (list, tuple)) else value
