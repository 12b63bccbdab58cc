"""What every cost model says of each case, and how that goes with LUTs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from chop.cost import Costs
from chop.emit import Wanted, design_of
from chop.emit.counting import luts_of_circuit
from chop.emit.estimate import PARTS, LutsEstimate
from chop.integers import integer_net, quantized_view
from tests.benchmarks.bit_costs.cases import Case, evaluator

MODELS = (
    "bitops",
    "bitops_with_bias",
    "bops",
    "ebops",
    "ebops_hgq",
    "ebops_hgq2",
    "model_size",
    "average_bitwidth",
)


@cache
def costs(net: str) -> Costs:
    """The cost models of a network."""
    return Costs(evaluator(net), models=MODELS)


@cache
def estimate(net: str) -> LutsEstimate:
    """The estimate of a network."""
    return LutsEstimate(evaluator(net))


def parts_of(cases: Sequence[Case]) -> np.ndarray:
    """Return what the estimate is made of, shape [cases, parts]."""
    rows = [estimate(case.net).parts(case.config()) for case in cases]
    return np.array([[row[name] for name in PARTS] for row in rows])


def fitted(parts: np.ndarray, luts: np.ndarray) -> np.ndarray:
    """Return the factors with the least relative squared error."""
    found: np.ndarray = np.linalg.lstsq(parts / luts[:, None], np.ones(len(luts)), rcond=None)[0]
    return found


def halves(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the cases of even and of odd seeds."""
    odd = np.array([case.seed % 2 == 1 for case in cases])
    return ~odd, odd


def judged(cases: Sequence[Case], parts: np.ndarray, luts: np.ndarray) -> np.ndarray:
    """The estimate of each case with factors fitted on the half of the seeds that it is not in."""
    found = np.empty(len(luts))
    for half in halves(cases):
        found[half] = parts[half] @ fitted(parts[~half], luts[~half])
    return found


def alkaid_cost(case: Case) -> float:
    """Bits that the adders of alkaid's sums work on, as alkaid counts them."""
    from alkaid.cmvm import cmvm_solve

    total = 0.0
    net = integer_net(quantized_view(case.evaluator, case.config()))
    tensors = {op.output.name: op.output for op in net.operations}
    for op in net.operations:
        if op.kind == "linear" and op.constants["weight"].any():
            x = tensors[op.inputs[0]]
            ends = [(float(x.low), float(x.high), 1.0)] * op.constants["weight"].shape[1]
            kernel = np.ascontiguousarray(op.constants["weight"].T.astype(np.float32))
            total += sum(each.cost for part in cmvm_solve(kernel, qintervals=ends) for each in part.ops)
    return total


def columns(cases: Sequence[Case], parts: np.ndarray, luts: np.ndarray) -> dict[str, np.ndarray]:
    """Return model -> its figure of every case."""
    found = {name: np.array([costs(c.net).evaluate(c.config())[name] for c in cases]) for name in MODELS}
    found["luts_estimate"] = judged(cases, parts, luts)
    circuits = [design_of(c.evaluator, c.config(), Wanted(sums="alkaid")) for c in cases]
    found["luts_circuit"] = np.array([luts_of_circuit(each) for each in circuits])
    found["alkaid's cost of the sums"] = np.array([alkaid_cost(case) for case in cases])
    return found


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal ones sharing their mean.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[place]


@dataclass(frozen=True)
class Agreement:
    """How a figure goes with LUTs.

    Attributes:
        spearman, pearson: correlations of ranks and of numbers.
        middle, low, high: LUTs for one of the figure: the median, and the 5 % and 95 % quantiles.
    """

    spearman: float
    pearson: float
    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, figure: np.ndarray, luts: np.ndarray) -> Agreement:
        """Compare a figure with LUTs, one entry a case."""
        low, middle, high = np.quantile(luts / np.maximum(figure, 1e-9), [0.05, 0.5, 0.95])
        spearman = float(np.corrcoef(ranks(figure), ranks(luts))[0, 1])
        return cls(spearman, float(np.corrcoef(figure, luts)[0, 1]), float(middle), float(low), float(high))


def fresh_figures(cases: Sequence[Case], luts: Sequence[float]) -> str:
    """How chop's own estimate does on configs that no factor was fitted on, as a sentence; empty without any."""
    if not cases:
        return ""
    found, real = np.array([estimate(case.net)(case.config()) for case in cases]), np.array(luts)
    agrees, error = Agreement.of(found, real), float(np.abs(found / real - 1).mean())
    return (
        f"On {len(cases)} further configurations of {cases[0].net}, which nothing was fitted on: Spearman "
        f"{agrees.spearman:.3f}, Pearson {agrees.pearson:.3f}, error {error:.1%}."
    )


def seconds_a_trial(net: str, cases: Sequence[Case]) -> float:
    """How long the estimate takes of configs that it has not met, median, in seconds of the processor."""
    made = LutsEstimate(evaluator(net))
    lasted = []
    for config in [case.config() for case in cases if case.net == net]:
        start = time.process_time()
        made(config)
        lasted.append(time.process_time() - start)
    return float(np.median(lasted))
