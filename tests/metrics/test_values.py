"""The native metrics against torch, torchmetrics and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from chop.metrics import METRICS, score


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, labels of only some classes, and logits nearby; `ties`: few different values."""
    classes = draw(st.one_of(st.integers(2, 9), st.integers(2, 300)))
    rows = draw(st.sampled_from([1, 2, 63, 64, 65, 200, 513]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    logits = torch.randn(rows, classes, generator=random) * draw(st.sampled_from([0.1, 3.0, 100.0]))
    if draw(st.booleans()):
        logits = logits.round().clamp(-2, 2)
    y = torch.randint(0, draw(st.integers(1, classes)), (rows,), generator=random)
    return logits, y, logits + 0.1 * torch.randn(rows, classes, generator=random)


def batch_means(logits: torch.Tensor, y: torch.Tensor, batch: int) -> float:
    """MASE's loop in float64."""
    pairs = zip(logits.double().split(batch), y.split(batch), strict=True)
    return torch.stack([F.cross_entropy(z, t) for z, t in pairs]).mean().item()


@settings(max_examples=60)
@given(cases())
def test_counts_equal_torchmetrics(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    logits, y, _ = case
    n = logits.shape[1]
    found = score(
        logits,
        y,
        [
            "accuracy",
            "macro_f1",
            "confusion_matrix",
            "per_class_recall",
            "per_class_precision",
            "per_class_f1",
        ],
    )
    predicted = logits.argmax(1)
    assert (
        found.accuracy
        == found["accuracy"]
        == pytest.approx(MulticlassAccuracy(n)(predicted, y).item(), abs=1e-6)
    )
    assert found["macro_f1"] == pytest.approx(MulticlassF1Score(n)(predicted, y).item(), abs=1e-6)
    assert torch.equal(found["confusion_matrix"], MulticlassConfusionMatrix(n)(predicted, y))
    assert found.correct == int((predicted == y).sum()) and found.rows == len(y)
    for name, peer in {
        "per_class_recall": MulticlassRecall,
        "per_class_precision": MulticlassPrecision,
        "per_class_f1": MulticlassF1Score,
    }.items():
        # torchmetrics has 0 where there is nothing to divide by.
        expected = peer(n, average=None)(predicted, y).double()
        assert torch.allclose(found[name].nan_to_num(0.0), expected, atol=1e-6), name


@settings(max_examples=60)
@given(cases(), st.sampled_from([1, 7, 64, 100, 128, 512, 1000]))
def test_losses_equal_torch(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], batch: int) -> None:
    logits, y, _ = case
    found = score(logits, y, ["loss", {"name": "loss", "mean_of_batches": batch}])
    assert found.loss == pytest.approx(F.cross_entropy(logits.double(), y).item(), rel=1e-6, abs=1e-6)
    expected = batch_means(logits, y, batch)
    tolerance = 1e-6 if batch % 64 == 0 else 1e-12
    assert found[f"loss(mean_of_batches={batch})"] == pytest.approx(expected, rel=tolerance, abs=tolerance)


@settings(max_examples=60)
@given(cases(), st.data())
def test_top_k_is_the_place_of_the_label(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], data: st.DataObject
) -> None:
    logits, y, _ = case
    k = data.draw(st.integers(1, logits.shape[1]))
    # A stable descending sort keeps the lower class first among equals.
    best = logits.sort(dim=1, descending=True, stable=True).indices[:, :k]
    expected = (best == y[:, None]).any(1).double().mean().item()
    assert score(logits, y, [{"name": "top_k", "k": k}])["top_k"] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60)
@given(cases())
def test_output_errors_equal_torch(case: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    logits, _, reference = case
    found = score(logits, None, ["output_mse", "output_sqnr", "output_kl", "agreement"], reference)
    z, r = logits.double(), reference.double()
    assert found["output_mse"] == pytest.approx(F.mse_loss(z, r).item(), rel=1e-12)
    assert found["output_sqnr"] == pytest.approx(
        10 * math.log10(r.square().sum() / (z - r).square().sum()), abs=1e-9
    )
    kl = F.kl_div(z.log_softmax(1), r.log_softmax(1), reduction="batchmean", log_target=True)
    assert found["output_kl"] == pytest.approx(kl.item(), rel=1e-9, abs=1e-13)
    assert found["agreement"] == (logits.argmax(1) == reference.argmax(1)).double().mean().item()


def test_mase_loss_counts_a_short_last_batch_as_a_whole_one() -> None:
    random = torch.Generator().manual_seed(0)
    logits, y = torch.randn(1030, 5, generator=random) * 2, torch.randint(0, 5, (1030,), generator=random)
    found = score(logits, y, ["loss", {"name": "loss", "mean_of_batches": 512}])
    expected = torch.stack(
        [F.cross_entropy(z, t) for z, t in zip(logits.split(512), y.split(512), strict=True)]
    ).mean()
    assert found["loss(mean_of_batches=512)"] == pytest.approx(expected.item(), rel=1e-6)
    assert abs(found["loss(mean_of_batches=512)"] - found.loss) > 1e-3


def every_metric() -> list:
    plain = [name for name in METRICS if name != "top_k"]
    return [*plain, {"name": "top_k", "k": 2}, {"name": "loss", "mean_of_batches": 100}]


@pytest.mark.parametrize("rows", [1, 64, 4096, 4097, 20_000])
def test_threads_and_company_change_nothing(rows: int) -> None:
    random = torch.Generator().manual_seed(rows)
    logits, y = torch.randn(rows, 5, generator=random), torch.randint(0, 5, (rows,), generator=random)
    reference = logits + 0.1 * torch.randn(rows, 5, generator=random)
    expected = score(logits, y, every_metric(), reference)
    for threads in (2, 4):
        assert score(logits, y, every_metric(), reference, threads) == expected
    for spec in every_metric():
        alone = score(logits, y, [spec], reference)
        (key,) = alone.values
        assert str(alone[key]) == str(expected[key]), key


def test_nan_is_the_prediction_and_makes_losses_nan() -> None:
    nan, inf = math.nan, math.inf
    logits = torch.tensor([[0.0, nan, 5.0], [nan, 1.0, nan], [-inf, 0.0, 1.0]])
    predicted = logits.argmax(1)
    assert predicted.tolist() == [1, 0, 2]
    found = score(logits, predicted, ["accuracy_micro", "loss", {"name": "top_k", "k": 1}])
    assert found["accuracy_micro"] == found["top_k"] == 1.0 and math.isnan(found.loss)
    assert score(logits[2:], torch.tensor([0])).loss == inf
    whole = score(logits, None, ["output_mse", "output_sqnr", "output_kl"], logits.nan_to_num())
    assert all(math.isnan(value) for value in whole.values.values())


def test_nothing_differs_from_itself() -> None:
    logits = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
    found = score(logits, None, ["output_mse", "output_sqnr", "output_kl", "agreement"], logits)
    assert list(found.values.values()) == [0.0, math.inf, 0.0, 1.0]


def test_a_class_without_rows_has_no_recall() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    found = score(logits, torch.tensor([0, 2]), ["per_class_recall", "per_class_precision", "per_class_f1"])
    assert str(found["per_class_recall"].tolist()) == "[1.0, nan, 0.0, nan]"
    assert str(found["per_class_precision"].tolist()) == "[1.0, 0.0, nan, nan]"
    assert str(found["per_class_f1"].tolist()) == "[1.0, 0.0, 0.0, nan]"


def test_strided_integer_and_double_tensors_are_taken() -> None:
    logits, y = torch.randn(70, 3, dtype=torch.float64).float(), torch.randint(0, 3, (70,))
    expected = score(logits, y)
    assert score(logits.double().T.contiguous().T, y.int()) == expected
    assert score(logits.clone().requires_grad_(), y.to(torch.uint8)) == expected
