"""Metrics of an evaluation: those of the logits that `forward` gives, whatever is asked, of however many configs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chop import Evaluator
from chop.metrics import METRICS, Metric, score
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

from .models import by_type, chain, data, integer

SIZES = (16, 16, 8, 5)
CONFIGS = [
    None,
    by_type(linear=integer(8, 4)),
    by_type(linear=integer(4, 2)),
    by_type(linear=integer(24, 14)),
]


def every_metric() -> list:
    plain = [name for name in METRICS if name != "top_k"]
    return [*plain, {"name": "top_k", "k": 2}, {"name": "loss", "mean_of_batches": 100}]


@pytest.fixture
def largest_gap() -> Iterator[str]:
    @METRICS.register("largest_gap")
    class LargestGap(Metric):
        """Largest distance from a logit of the float model."""

        needs_labels, needs_reference = False, True

        def compute(self, logits: torch.Tensor, y: object, reference: torch.Tensor) -> torch.Tensor:
            return (logits - reference).abs().max()

    yield "largest_gap"
    del METRICS["largest_gap"]


@pytest.mark.parametrize("rows", [1, 64, 65, 4097, 9000])
def test_every_metric_is_that_of_the_logits(rows: int) -> None:
    model, (x, y) = chain(SIZES), data(rows, 16, 5)
    for threads in (1, 3):
        ev = Evaluator(model, x, y, threads=threads)
        found = ev.evaluate_many(CONFIGS, metrics=every_metric())
        for config, metrics in zip(CONFIGS, found, strict=True):
            assert metrics == score(ev.forward(config), y, every_metric(), ev.forward())
        assert [ev.evaluate(config, metrics=every_metric()) for config in CONFIGS] == found


def test_what_is_asked_changes_no_bit_of_the_rest() -> None:
    model, (x, y) = chain(SIZES), data(5000, 16, 5)
    ev = Evaluator(model, x, y)
    plain, full = ev.evaluate(CONFIGS[1]), ev.evaluate(CONFIGS[1], metrics=every_metric())
    assert (plain.loss, plain.accuracy, plain.accuracy_micro) == (
        full.loss,
        full.accuracy,
        full.accuracy_micro,
    )
    assert list(plain.values) == ["accuracy", "accuracy_micro", "loss"]
    assert list(ev.evaluate(loss=False).values) == ["accuracy", "accuracy_micro"]


def test_the_loss_of_batches_is_that_of_a_loop() -> None:
    model, (x, y) = chain(SIZES), data(1111, 16, 5)
    ev = Evaluator(model, x, y)
    logits = ev.forward(CONFIGS[1])
    batches = zip(logits.split(512), y.split(512), strict=True)
    expected = torch.stack([F.cross_entropy(z, t) for z, t in batches]).mean().item()
    found = ev.evaluate(CONFIGS[1], metrics=[{"name": "loss", "mean_of_batches": 512}])
    assert found["loss"] == pytest.approx(expected, rel=1e-6) and found.loss is None


def test_the_float_model_has_no_output_error() -> None:
    model, (x, y) = chain(SIZES), data(500, 16, 5)
    ev = Evaluator(model, x, y)
    names = ["output_mse", "output_sqnr", "output_kl", "agreement"]
    assert list(ev.evaluate(metrics=names).values.values()) == [0.0, float("inf"), 0.0, 1.0]
    coarse, fine = (ev.evaluate(by_type(linear=integer(w, f)), metrics=names) for w, f in ((4, 2), (12, 8)))
    assert coarse["output_mse"] > fine["output_mse"] > 0.0 and coarse["output_kl"] > fine["output_kl"] > 0.0
    assert coarse["output_sqnr"] < fine["output_sqnr"]


def test_one_of_your_own_sees_all_logits(largest_gap: str) -> None:
    model, (x, y) = chain(SIZES), data(300, 16, 5)
    ev = Evaluator(model, x, y)
    found = ev.evaluate_many(CONFIGS, metrics=["loss", largest_gap])
    for config, metrics in zip(CONFIGS, found, strict=True):
        assert metrics["largest_gap"] == (ev.forward(config) - ev.forward()).abs().max().item()
        assert metrics.loss == ev.evaluate(config).loss


def test_data_without_labels() -> None:
    model, (x, y) = chain(SIZES), data(300, 16, 5)
    ev, labelled = Evaluator(model, x), Evaluator(model, x, y)
    assert torch.equal(ev.forward(CONFIGS[1]), labelled.forward(CONFIGS[1]))
    names = ["output_mse", "agreement"]
    found = ev.evaluate(CONFIGS[1], metrics=names)
    assert found.values == labelled.evaluate(CONFIGS[1], metrics=names).values and found.rows == 300
    with pytest.raises(ConfigError, match="accuracy needs labels, and there are none: give y"):
        ev.evaluate()
    with pytest.raises(ValueError, match="accuracy needs labels"):
        found.accuracy  # noqa: B018


def test_labels_are_copied(largest_gap: str) -> None:
    @METRICS.register("first_label")
    class FirstLabel(Metric):
        """The first label."""

        def compute(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return y[0]

    try:
        model, (x, y) = chain(SIZES), data(300, 16, 5)
        ev, first = Evaluator(model, x, y), float(y[0])
        y += 1
        assert ev.evaluate(metrics=["first_label"])["first_label"] == first
    finally:
        del METRICS["first_label"]


def test_refusals() -> None:
    model, (x, y) = chain(SIZES), data(10, 16, 5)
    ev = Evaluator(model, x, y)
    with pytest.raises(
        UnknownNameError, match=r"metrics\[0\]: metric 'los' is not known \(did you mean 'loss'"
    ):
        ev.evaluate(metrics=["los"])
    with pytest.raises(ConfigError, match=r"metrics\[0\]: top_k: k must be 1\.\.5, got 6"):
        ev.evaluate(metrics=[{"name": "top_k", "k": 6}])
    images = Evaluator(nn.Sequential(nn.ReLU()), torch.zeros(2, 3, 4))
    assert images.forward().shape == (2, 3, 4)
    with pytest.raises(ValueError, match=r"metrics need logits \[rows, classes\], got \[rows, 3, 4\]"):
        images.evaluate(metrics=[])
