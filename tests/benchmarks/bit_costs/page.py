"""The page "What a bit costs"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chop.emit.estimate import PARTS
from chop.emit.synthesis import COMMAND
from tests.benchmarks.bit_costs.cases import NETS, Case
from tests.benchmarks.bit_costs.figures import Agreement, fitted, halves, seconds_a_trial
from tests.benchmarks.evaluator.machine import describe

_HEAD = """# What a bit costs

Every cost model of chop against the LUTs that yosys counts, on {count} random configurations of {nets}: each layer has
2 to 8 bits of data, of weights and of bias, with the point where such networks need it. The circuits are those of
`ch emit --sums alkaid`, combinational, codes in, from {least:,} to {most:,} LUTs; {yosys}, `{command}`.
Written by `python -m tests.benchmarks.bit_costs`; the numbers behind it are in `bit_costs.json`.

![every cost model against LUTs](bit_costs.png)

| model | Spearman, both | {each} | Pearson, both | LUTs for one of it: median, 5 % to 95 % |
|---|---|{lines}---|---|
"""

_TAIL = """
`luts_estimate` in the table is judged on configurations that its factors were not fitted on: those of the other half of
the seeds. What each half finds, and how it does on the other, with the mean of |estimate / LUTs - 1| as the error:

| factors of | {parts} | error, other half | Spearman, other half |
|---|{lines}---|---|
{halves}
chop's own are those fitted on all: {formula}. {fresh}
One estimate takes {seconds} (processor time, median, one thread,
{processor}).

## What each of them sees

- `bitops`, as MASE counts, looks at the bits of the data and at the work, that of float batch norms included: it sees
  no width of a weight, and a batch norm of floats outweighs the layers.
- `model_size` and `average_bitwidth` look at the weights alone; `bops` at declared widths of both.
- `ebops` and its variants look at the bits of the input times the effective bits of each weight. They see neither batch
  norm nor requantization, nor that a weight of 0b0111 is one subtraction.
- alkaid's cost is that of the sums, with what several of them share; what stands between them is not in it.
- `luts_estimate` counts signed digits of the weights times bits of the data, and the staircases between sums (batch
  norm, ReLU, quantizers) as `ch emit` writes them. `luts_circuit` looks at the cells of the circuit,
  with alkaid's adders.

LUTs of different versions of yosys do not compare.
"""


def page(
    cases: Sequence[Case],
    luts: np.ndarray,
    figures: Mapping[str, np.ndarray],
    parts: np.ndarray,
    versions: Sequence[str],
    fresh: str,
) -> str:
    """Return the page.

    Args:
        cases: of which. luts: counted. figures: model -> figure of each case. parts: what the estimate is made of,
            shape [cases, parts]. versions: of yosys. fresh: a sentence on configs that nothing was fitted on.
    """
    head = _HEAD.format(
        count=len(cases),
        nets=" and ".join(NETS),
        least=int(luts.min()),
        most=int(luts.max()),
        yosys=", ".join(versions),
        command=COMMAND,
        each=" | ".join(NETS),
        lines="---|" * len(NETS),
    )
    rows = sorted((_row(name, values, cases, luts) for name, values in figures.items()), reverse=True)
    return head + "".join(text for _, text in rows) + _tail(cases, luts, parts, fresh)


def _tail(cases: Sequence[Case], luts: np.ndarray, parts: np.ndarray, fresh: str) -> str:
    times = ", ".join(
        f"{seconds_a_trial(net, cases) * 1e3:.1f} ms for a config of {net} that it has not met"
        for net in NETS
    )
    factors = fitted(parts, luts)
    even, odd = halves(cases)
    return _TAIL.format(
        parts=" | ".join(PARTS),
        lines="---|" * len(PARTS),
        halves=_half("even seeds", parts, luts, even, odd) + _half("odd seeds", parts, luts, odd, even),
        formula=" + ".join(f"{factor:.3g} x {name}" for name, factor in zip(PARTS, factors, strict=True)),
        seconds=times,
        fresh=fresh,
        processor=describe()["cpu"],
    )


def _half(name: str, parts: np.ndarray, luts: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> str:
    factors = fitted(parts[seen], luts[seen])
    words = " | ".join(f"{factor:.3g}" for factor in factors)
    found, real = parts[unseen] @ factors, luts[unseen]
    error = float(np.abs(found / real - 1).mean())
    return f"| {name} | {words} | {error:.1%} | {Agreement.of(found, real).spearman:.3f} |\n"


def _row(name: str, values: np.ndarray, cases: Sequence[Case], luts: np.ndarray) -> tuple[float, str]:
    both = Agreement.of(values, luts)
    each = []
    for net in NETS:
        chosen = np.array([case.net == net for case in cases])
        each.append(f"{Agreement.of(values[chosen], luts[chosen]).spearman:.3f}")
    ratio = f"{both.middle:.3g}, {both.low:.2g} to {both.high:.2g}"
    return (
        both.spearman,
        f"| `{name}` | {both.spearman:.3f} | {' | '.join(each)} | {both.pearson:.3f} | {ratio} |\n",
    )
