"""Asking for metrics: by name and by options, one's own, what is refused, and what a result looks like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import chop
from chop import _core
from chop.metrics import METRICS, Metric, Metrics, NativeMetric, ask, score
from chop.registry import UnknownNameError
from chop.tools.errors import ConfigError

LOGITS = torch.tensor([[3.0, 1.0, 2.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
Y = torch.tensor([0, 2, 2])


@pytest.fixture
def margin() -> Iterator[str]:
    @METRICS.register("margin")
    class Margin(Metric):
        """Distance of the label's logit from the largest other one, to a power."""

        unit = "logit"
        direction = "maximize"

        def __init__(self, power: float = 1.0) -> None:
            if power <= 0:
                raise ValueError(f"power must be above 0, got {power}")
            self.power = power

        def compute(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            others = logits.scatter(1, y[:, None], -torch.inf).amax(1)
            return (logits.gather(1, y[:, None])[:, 0] - others).abs().pow(self.power).mean()

    yield "margin"
    del METRICS["margin"]


def test_the_standard_ones() -> None:
    found = score(LOGITS, Y)
    assert list(found.values) == ["accuracy", "accuracy_micro", "loss"]
    assert (found.accuracy, found.accuracy_micro, found.correct, found.rows) == (0.5, 2 / 3, 2, 3)
    assert found["loss"] == found.loss


def test_order_keys_and_look_up() -> None:
    found = score(LOGITS, Y, [{"name": "top_k", "k": 2}, "loss", {"name": "loss", "mean_of_batches": 2}])
    assert list(found.values) == ["top_k(k=2)", "loss", "loss(mean_of_batches=2)"]
    assert found["top_k"] == found["top_k(k=2)"] == 1.0 and found["loss"] == found.loss
    with pytest.raises(UnknownNameError, match=r"did you mean 'loss'.*it has: top_k\(k=2\), loss,"):
        found["los"]
    two = score(LOGITS, Y, [{"name": "top_k", "k": 2}, {"name": "top_k", "k": 1}])
    with pytest.raises(UnknownNameError, match="it has: top_k"):
        two["top_k"]
    assert score(LOGITS, Y, []).accuracy == 0.5 and score(LOGITS, Y, []).loss is None


def test_one_of_your_own(margin: str) -> None:
    found = score(LOGITS, Y, ["accuracy", margin, {"name": margin, "power": 2}])
    assert found["margin"] == pytest.approx(1.0) and found["margin(power=2)"] == pytest.approx(1.0)
    assert list(found.values) == ["accuracy", "margin", "margin(power=2)"]
    with pytest.raises(ConfigError, match=r"metrics\[0\]: margin: power must be above 0, got 0"):
        score(LOGITS, Y, [{"name": margin, "power": 0}])
    with pytest.raises(
        ConfigError, match=r"option 'powr' is not known \(did you mean 'power'\?\); known: power"
    ):
        score(LOGITS, Y, [{"name": margin, "powr": 1}])
    with pytest.raises(ConfigError, match="margin needs labels"):
        score(LOGITS, None, [margin])


def test_one_of_your_own_may_compare_and_give_a_tensor() -> None:
    @METRICS.register("largest_error")
    class LargestError(Metric):
        """The largest error of each class."""

        needs_labels, needs_reference = False, True

        def compute(self, logits: torch.Tensor, y: None, reference: torch.Tensor) -> torch.Tensor:
            assert y is None
            return (logits - reference).abs().amax(0)

    try:
        found = score(LOGITS, None, ["largest_error", "output_mse"], LOGITS + torch.tensor([0.0, 1.0, 0.5]))
        assert found["largest_error"].tolist() == [0.0, 1.0, 0.5]
        with pytest.raises(ConfigError, match="largest_error compares with the float model"):
            score(LOGITS, None, ["largest_error"])
        LargestError.compute = lambda self, *tensors: "much"
        with pytest.raises(TypeError, match="'largest_error' must return a number or a tensor, got 'much'"):
            score(LOGITS, None, ["largest_error"], LOGITS)
    finally:
        del METRICS["largest_error"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["acuracy"], r"metrics\[0\]: metric 'acuracy' is not known \(did you mean 'accuracy'\?\); known: "),
        (["loss", {"name": "top_k"}], r"metrics\[1\]: top_k: option k is missing"),
        ([{"name": "top_k", "k": 4}], r"metrics\[0\]: top_k: k must be 1\.\.3, got 4"),
        ([{"name": "top_k", "k": 0}], r"top_k: k must be 1\.\.classes, got 0"),
        ([{"name": "top_k", "k": 2.0}], r"top_k: k must be a whole number, got 2\.0"),
        ([{"name": "top_k", "k": True}], r"top_k: k must be a whole number, got True"),
        ([{"name": "top_k", "n": 2}], r"top_k: option 'n' is not known; known: k"),
        ([{"name": "loss", "mean_of_batch": 2}], r"option 'mean_of_batch' .*did you mean 'mean_of_batches'"),
        ([{"name": "loss", "mean_of_batches": -1}], r"mean_of_batches must be 0 or more, got -1"),
        (
            [{"name": "loss", "mean_of_batches": 2**63}],
            r"mean_of_batches must be 0 or more, got 9223372036854775808",
        ),
        ([{"name": "accuracy", "k": 1}], r"accuracy: option 'k' is not known; known: none"),
        ([{"k": 1}], r"metrics\[0\] must be a metric's name, or a table with 'name'"),
        ([3], r"metrics\[0\] must be a metric's name"),
        (["loss", "loss"], r"metrics\[1\]: loss is asked for twice"),
        ("loss", r"metrics must be a list of metrics, got 'loss'"),
        (["output_mse"], r"output_mse compares with the float model"),
    ],
)
def test_what_is_refused(metrics: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score(LOGITS, Y, metrics)


def test_bad_tensors_are_refused() -> None:
    with pytest.raises(ConfigError, match="accuracy needs labels, and there are none: give y"):
        score(LOGITS)
    for logits, y, message in [
        (LOGITS[0], Y, r"logits must have the shape \[rows, classes\], got \[3\]"),
        (LOGITS, Y.float(), "y must hold class indices, shape .rows., got torch.float32"),
        (LOGITS, Y[:2], "y must hold one class index for each row"),
        (LOGITS, torch.tensor([0, 3, 1]), r"y\[1\] is 3; there are 3 classes"),
        (LOGITS, torch.tensor([0, 1, -1]), r"y\[2\] is -1; there are 3 classes"),
        (LOGITS[:0], Y[:0], "the logits have no rows"),
        (LOGITS[:, :0], Y, "must have 1..65536 classes, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            score(logits, y)
    with pytest.raises(ValueError, match="reference must have the shape of the logits"):
        score(LOGITS, Y, ["output_mse"], LOGITS[:2])
    with pytest.raises(ValueError, match="threads must be"):
        score(LOGITS, Y, threads=0)


def test_every_native_metric_says_what_it_is() -> None:
    native = {name: metric for name, metric in METRICS.items() if issubclass(metric, NativeMetric)}
    assert set(native) == {row[0] for row in _core.metrics()} and len(native) >= 13
    for name, metric in native.items():
        assert metric.unit and len(metric.definition()) > 15, name
        assert metric.direction in ("maximize", "minimize") or name == "confusion_matrix", name
        assert metric.needs_reference == (name.startswith("output_") or name == "agreement"), name
    assert METRICS["loss"].options() == ("mean_of_batches",) and METRICS["accuracy"].options() == ()


def test_a_native_metric_is_an_object_too() -> None:
    assert METRICS["top_k"](k=2).compute(LOGITS, Y) == 1.0
    assert METRICS["output_mse"]().compute(LOGITS, None, LOGITS + 1) == 1.0
    (asked,) = ask([{"name": "top_k", "k": 2}], 3, True)
    assert asked.native == ("top_k", {"k": 2})


def test_results_are_values() -> None:
    specs = ["confusion_matrix", "per_class_recall", "loss"]
    a, b = score(LOGITS, Y, specs), score(LOGITS, Y, specs)
    assert a == b and hash(a) == hash(b) and a != score(LOGITS + 1e-3 * LOGITS, Y, specs)
    assert a != score(LOGITS, Y, specs[:2]) and a != 3


def test_results_show_themselves() -> None:
    found = score(LOGITS, Y, ["accuracy", "per_class_recall", "confusion_matrix"])
    assert repr(found) == (
        "Metrics(rows=3, accuracy=0.5, per_class_recall=[1, nan, 0.5], confusion_matrix=int64[3, 3])"
    )
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + 3 + 1 + 3 and "3 rows" in html and "Rows of class i" in html
    assert "int64[30, 30]" in score(torch.eye(30), torch.arange(30), ["confusion_matrix"])._repr_html_()


def test_what_needs_labels_says_so() -> None:
    found = score(LOGITS, None, ["output_mse"], LOGITS)
    assert found.loss is None and found["output_mse"] == 0.0
    for name in ("accuracy", "accuracy_micro", "correct"):
        with pytest.raises(ValueError, match=f"{name} needs labels"):
            getattr(found, name)


def test_public_names() -> None:
    assert chop.metrics.score is score and chop.metrics.Metrics is Metrics
