"""What each stage makes of a model, against plain torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from chop import Evaluator, MaseGraph
from chop.cost import Costs
from chop.ir.graph.mase_graph import MaseTracer
from chop.passes.graph import (
    load_mase_graph_interface_pass,
    quantize_transform_pass,
    save_mase_graph_interface_pass,
)
from tests.meaning.bench import ROWS, Bench, gap_of, same
from tests.meaning.case import Case
from tests.meaning.formats import Config, by_type, some_configs
from tests.meaning.memory import Watched
from tests.meaning.oracle import Rounding
from tests.meaning.outcomes import DIFFERS, EQUAL, SKIPPED, Outcome, raised
from tests.meaning.training_stages import gradients, trainer

Verdict = tuple[str, str]
GOOD: Verdict = (EQUAL, "")
UNSTEADY: Verdict = (SKIPPED, "most rows hang on the last digit of some value")
NOTHING: Config = {"by": "type", "default": {"config": {"name": None}}}


def graph(bench: Bench) -> Verdict:
    """The traced graph, run by torch twice: the same bits."""
    made = bench.graph.model.eval()
    torch.default_generator.manual_seed(bench.case.seed)
    with torch.no_grad():
        found = [made(bench.x.clone()), made(bench.x.clone())]
    return _first_bad(_bits(found[0], bench.want), _bits(found[1], bench.second))


def _bits(found: Tensor, want: Tensor) -> Verdict:
    return GOOD if same(found, want) else (DIFFERS, gap_of(found, want))


def _first_bad(*verdicts: Verdict) -> Verdict:
    return next((verdict for verdict in verdicts if verdict != GOOD), GOOD)


def memory(bench: Bench) -> Verdict:
    """What the graph knows of writes and shared memory, against what torch does with memory."""
    model = bench.model()
    try:
        watched = Watched(MaseTracer().trace(model), model)
        with torch.no_grad():
            watched.run(bench.x.clone())
    except Exception as error:  # what a bare trace cannot do
        return SKIPPED, f"not without what MaseGraph does: {error}"
    return (DIFFERS, watched.wrong[0]) if watched.wrong else GOOD


def modes(bench: Bench) -> Verdict:
    """Traced in train mode, run in eval mode."""
    made = MaseGraph(bench.model(training=True)).model.eval()
    torch.default_generator.manual_seed(bench.case.seed)
    with torch.no_grad():
        return _bits(made(bench.x.clone()), bench.want)


def evaluator(bench: Bench) -> Verdict:
    """The evaluator in float."""
    found = Evaluator(bench.graph, bench.x, threads=1).forward()
    if not bench.same_each_time and not bench.scaled_by_each_call:
        return DIFFERS, "the model gives another value each time, the evaluator one"
    tolerance = 1e-5 * bench.scale + 100 * bench.sensitivity
    verdict = near(found, bench.want, tolerance)
    if verdict == GOOD or found.shape != bench.want.shape:
        return verdict
    steady = bench.steady_rows(tolerance)
    if steady.sum() < ROWS // 10:
        return UNSTEADY
    return near(found[steady], bench.want[steady], tolerance)


def near(found: Tensor, want: Tensor, tolerance: float) -> Verdict:
    """Equal within a tolerance, NaN and infinities in the same places."""
    if found.shape != want.shape:
        return DIFFERS, gap_of(found, want)
    close = torch.isclose(found.double(), want.double(), rtol=0.0, atol=tolerance, equal_nan=True)
    return GOOD if bool(close.all()) else (DIFFERS, f"{gap_of(found, want)} with tolerance {tolerance:.3g}")


def fine(bench: Bench) -> Verdict:
    """Quantized to 32 bits on a grid so fine that the model's own numbers must come out."""
    if not bench.same_each_time:
        return SKIPPED, "depends on chance"
    made = bench.graph
    largest = bench.largest_inside(made)
    frac = 20 if largest < 1000 else 12
    if largest > 2.0 ** (30 - frac):
        return SKIPPED, "numbers beyond the range of 32 bits"
    step = 2.0**-frac
    tolerance = 1e-5 * bench.scale + 100 * step * bench.scale + 100 * bench.moved_by(1e-6, step)
    quantized, _ = quantize_transform_pass(made, by_type(32, frac))
    with torch.no_grad():
        found = quantized.model.eval()(bench.x.clone())
    verdict = near(found, bench.want, tolerance)
    if verdict == GOOD:
        return GOOD
    # Where a model jumps (the order of two numbers that are nearly equal), its own code rounded tells as well.
    with torch.no_grad(), Rounding(32, frac).watching():
        return verdict if near(found, bench.model()(bench.x.clone()), tolerance) != GOOD else GOOD


def coarse(bench: Bench) -> Verdict:
    """The evaluator under configs against the graph that the quantize pass makes, config after config."""
    labels = bench.y % bench.want.shape[1] if bench.want.dim() == 2 else None
    evaluator = Evaluator(bench.graph, bench.x, labels)
    quantized, seen = bench.graph, 0
    for name, config in some_configs(quantized, bench.case.seed).items():
        quantized, info = quantize_transform_pass(quantized, config)
        if not info["rules"]:
            continue
        seen += 1
        with torch.no_grad():
            want = quantized.model.eval()(bench.x.clone())
        verdict = _as_certified(evaluator, config, want, partial(bench.steady_rows, 1e-4, quantized.model))
        if verdict[0] != EQUAL:
            return verdict[0], f"{name}: {verdict[1]}"
    return GOOD if seen else (SKIPPED, "nothing to quantize")


def _as_certified(
    evaluator: Evaluator, config: Config, want: Tensor, steady_rows: Callable[[], Tensor]
) -> Verdict:
    found, certificate = evaluator.forward(config), evaluator.certificate(config)
    if certificate.quantized_part_is_exact and not certificate.behind:
        return GOOD if same(found, want) else (DIFFERS, f"{gap_of(found, want)}, the certificate says exact")
    # Float sums in another order: a number near the middle of two grid points may go to either.
    few = 0 if certificate.quantized_part_is_exact else ROWS // 5
    verdict = _mostly_near(found, want, few)
    if verdict == GOOD or found.shape != want.shape:
        return verdict
    # What is left in float may jump: rows that a last digit moves tell nothing.
    steady = steady_rows()
    if steady.sum() < ROWS // 10:
        return UNSTEADY
    return _mostly_near(found[steady], want[steady], few)


def _mostly_near(found: Tensor, want: Tensor, few: int) -> Verdict:
    if found.shape != want.shape:
        return DIFFERS, gap_of(found, want)
    scale = max(1.0, float(want[want.isfinite()].abs().max()) if want.isfinite().any() else 1.0)
    close = torch.isclose(found, want, rtol=1e-4, atol=1e-4 * scale, equal_nan=True).flatten(1).all(1)
    return (
        GOOD
        if int((~close).sum()) <= few
        else (DIFFERS, f"{int((~close).sum())} rows: {gap_of(found, want)}")
    )


def rounded(bench: Bench) -> Verdict:
    """The quantized graph against the user's own code with the operands of its calls rounded, without a graph."""
    if not bench.same_each_time:
        return SKIPPED, "depends on chance"
    rounding, model = Rounding(8, 4), bench.model()
    with torch.no_grad(), rounding.watching():
        want = model(bench.x.clone())
    quantized, info = quantize_transform_pass(bench.graph, by_type(8, 4))
    if not info["rules"] or len(info["rules"]) != rounding.calls:
        return SKIPPED, f"{len(info['rules'])} nodes are quantized, {rounding.calls} calls were rounded"
    with torch.no_grad():
        return _mostly_near(quantized.model.eval()(bench.x.clone()), want, ROWS // 5)


def costs(bench: Bench) -> Verdict:
    """Costs are finite figures."""
    shape = tuple(bench.x.shape[1:])
    found = Costs(bench.graph, 8, input_shapes=shape)
    for config in (None, by_type(8, 4)):
        for name, value in found.evaluate(config).items():
            if not (0 <= value < float("inf")):
                return DIFFERS, f"{name} is {value}"
    return GOOD


def file(bench: Bench) -> Verdict:
    """A graph saved and loaded computes the same; quantized, or float by the seed."""
    made, _ = quantize_transform_pass(bench.graph, by_type(8, 4) if bench.case.seed % 4 else NOTHING)
    folder = {"save_dir": bench.folder.name, "load_dir": bench.folder.name}
    save_mase_graph_interface_pass(made, folder)
    again, _ = load_mase_graph_interface_pass(None, folder)
    values = []
    for each in (made, again):
        torch.default_generator.manual_seed(bench.case.seed)
        with torch.no_grad():
            values.append(each.model.eval()(bench.x.clone()))
    return _bits(values[1], values[0])


def untouched(bench: Bench) -> Verdict:
    """The user's model after all that: the same numbers, classes and state."""
    if _classes(bench.user) != _classes(bench.plain):
        return DIFFERS, "other classes of layers"
    before = bench.model().state_dict()
    unchanged = all(same(tensor, before[name]) for name, tensor in bench.plain.state_dict().items())
    if bench.scaled_by_each_call or not unchanged:
        return SKIPPED, "torch itself changes the model by a call"
    for name, tensor in before.items():
        if not same(bench.user.state_dict()[name], tensor):
            return DIFFERS, f"{name} has changed"
    torch.default_generator.manual_seed(bench.case.seed)
    with torch.no_grad():
        return _bits(bench.user(bench.x.clone()), bench.want)


def _classes(model: nn.Module) -> list[str]:
    return [type(module).__qualname__ for module in model.modules()]


STAGES: dict[str, Callable[[Bench], Verdict]] = {
    "graph": graph,
    "memory": memory,
    "modes": modes,
    "gradients": gradients,
    "evaluator": evaluator,
    "fine": fine,
    "coarse": coarse,
    "rounded": rounded,
    "trainer": trainer,
    "costs": costs,
    "file": file,
    "untouched": untouched,
}


def examine(case: Case, stages: Collection[str] = STAGES.keys()) -> Iterator[Outcome]:
    """Yield what comes of a case at each stage, or at some of them."""
    bench = Bench(case)
    for name, stage in STAGES.items():
        if name not in stages:
            continue
        torch.default_generator.manual_seed(case.seed)
        try:
            verdict, why = stage(bench)
            yield Outcome(name, verdict, why)
        except Exception as error:
            yield raised(name, error)
