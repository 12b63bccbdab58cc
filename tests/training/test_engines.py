"""Which engine takes a run, and why; what trainer arguments may be."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from chop import MaseGraph
from chop.dataset import MaseDataModule
from chop.ir.graph.mase_graph import MaseTracer
from chop.plt_wrapper.optimizers import OPTIMIZERS
from chop.plt_wrapper.schedules import Schedule
from chop.tools.errors import ConfigError
from chop.training.native_engine import trainer_options
from chop.training.order import epoch_order
from chop.training.trainer_args import TrainerArgs
from tests.training.conftest import assert_same, toy


def gated() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), nn.Softmax(1), nn.Linear(8, 5))


@pytest.fixture
def without_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "lightning" else find(name, *a)
    )


def test_auto_says_which_and_why(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    one = {"max_epochs": 1, "max_steps": 1}
    with caplog.at_level(logging.INFO, logger="chop"):
        assert run(args=one, bar=True)[1]["engine"] == "native"
        assert run(gated(), one, bar=True)[1]["engine"] == "lightning"
        assert run(args=one | {"precision": "bf16"}, bar=True)[1]["engine"] == "lightning"
    said = [record.message for record in caplog.records if record.message.startswith("engine ")]
    assert said[0] == "engine native: the core trains this model on the CPU"
    assert "softmax" in said[1] and "the precision is bf16-mixed" in said[2]


def test_refusals_are_one_sentence(run: Any, without_lightning: None, tmp_path: Path) -> None:
    for engine, start in (("auto", "the core cannot train this"), ("lightning", "engine 'lightning' cannot")):
        with pytest.raises(ConfigError, match=rf"^{start}.*pip install lightning tensorboard torchmetrics$"):
            run(gated(), engine=engine, save_path=tmp_path / "out")
    with pytest.raises(ConfigError, match=r"engine 'native' cannot train this: .*softmax"):
        run(gated(), engine="native")
    with pytest.raises(
        ConfigError, match=r"engine must be one of auto, lightning, native.*did you mean 'native'"
    ):
        run(engine="nativ")
    assert not (tmp_path / "out").exists()
    assert run()[1]["engine"] == "native"  # which needs no Lightning


def test_bad_data_is_one_sentence(run: Any, tmp_path: Path) -> None:
    x, y = torch.randn(65, 16), torch.randint(0, 5, (65,))
    good, none = (x, y), (x[:0], y[:0])
    for data, options, message in (
        (
            {"train": good, "val": good},
            {"batch_size": 64},
            "batch norm needs more than one row in every batch",
        ),
        ({"train": none, "val": good}, {"batch_size": 8}, "no rows to train on"),
        ({"train": good, "val": none}, {"batch_size": 8}, "no rows to validate on"),
        ({"train": good}, {"batch_size": 8}, "no rows under 'val'"),
        ({"train": (x, y + 1), "val": good}, {"batch_size": 13}, r"must be a class in 0..4, got 5"),
        ({"train": (x[:, :9], y), "val": good}, {"batch_size": 13}, "engine 'native' cannot train this"),
        (
            {"train": good, "val": good},
            {"batch_size": 0},
            "batch_size must be an integer of at least 1, got 0",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            run(data=data, engine="native", save_path=tmp_path / "out", **options)
    with pytest.raises(
        ConfigError, match=r"weights of torch.bfloat16, and the core computes in 32 or 64 bits"
    ):
        run(toy().bfloat16(), engine="native", save_path=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_figures_of_the_last_step_are_those_of_its_last_batch(run: Any) -> None:
    args = {"max_epochs": 1, "accumulate_grad_batches": 4}
    (_, native), (_, other) = (run(args=args, engine=engine) for engine in ("native", "lightning"))
    assert native["global_step"] == other["global_step"] == 3
    for name in ("train_acc_step", "train_loss_step"):
        assert native[name] == pytest.approx(other[name], rel=1e-4), name


def test_an_optimizer_of_the_users_own_goes_to_lightning(run: Any) -> None:
    @OPTIMIZERS.register("mine")
    def mine(parameters: Any, rate: float, decay: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(parameters, lr=rate)

    try:
        _, result = run(args={"max_epochs": 1}, optimizer="mine")
    finally:
        del OPTIMIZERS["mine"]
    assert result["engine"] == "lightning" and result["global_step"] == 10


def test_loaders_of_the_users_own(run: Any, small: MaseDataModule) -> None:
    """A data module with nothing but loaders: Lightning, in the seeded order, so with the same figures."""

    class Mine:
        batch_size = 64
        train_dataloader = staticmethod(small.train_dataloader)
        val_dataloader = staticmethod(small.val_dataloader)

    _, mine = run(data=Mine())
    _, ours = run(engine="lightning")
    assert mine == ours


def test_frozen_weights_stay(run: Any) -> None:
    for engine in ("auto", "lightning"):
        model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 5))
        model[0].weight.requires_grad_(False)
        before = model[0].weight.clone()
        run(model, engine=engine)
        assert torch.equal(model[0].weight, before)


def test_only_optimizers_that_the_core_has() -> None:
    weights = [torch.zeros(1, requires_grad=True)]
    assert trainer_options(torch.optim.AdamW(weights, lr=0.1)) == {
        "optimizer": "adamw", "weight_decay": 0.01, "betas": (0.9, 0.999), "eps": 1e-8,
    }  # fmt: skip
    assert trainer_options(torch.optim.Adam(weights, decoupled_weight_decay=True))["optimizer"] == "adamw"
    for other in (
        torch.optim.Adam(weights, amsgrad=True),
        torch.optim.SGD(weights, lr=0.1, dampening=0.1),
        torch.optim.SGD(weights, lr=0.1, maximize=True),
        torch.optim.RMSprop(weights),
    ):
        assert trainer_options(other) is None


def test_early_stopping_ends_both_engines_alike(run: Any) -> None:
    args = {"max_epochs": 60, "early_stopping_patience": 2}
    results = [run(nn.Sequential(nn.Linear(16, 5)).apply(zero), args, engine=e, learning_rate=0.5)[1]
               for e in ("native", "lightning")]  # fmt: skip
    one, other = results
    assert one["stopped_early"] and one["epochs"] == other["epochs"] < 60
    assert one["epochs"] - 1 - one["best_epoch"] == 2


def zero(layer: nn.Module) -> None:
    for weights in layer.parameters(recurse=False):
        nn.init.zeros_(weights)


def test_tensorboard_has_mases_names_from_both_engines(run: Any, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = {}
    for engine in ("native", "lightning"):
        for version in (0, 1):
            _, result = run(engine=engine, logs=tmp_path / engine, args={"log_every_n_steps": 5})
            events = accumulator.EventAccumulator(
                str(tmp_path / engine / "lightning_logs" / f"version_{version}")
            )
            events.Reload()
        found[engine] = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    names = {
        "train_loss_step",
        "train_acc_step",
        "val_loss_epoch",
        "val_acc_epoch",
        "train_loss_epoch",
        "epoch",
    }
    for name in names:
        native, other = (found[engine][name] for engine in ("native", "lightning"))
        assert sorted({e.step for e in native}) == sorted({e.step for e in other}), name
        assert native[-1].value == pytest.approx(other[-1].value, rel=0.05), name
    assert [event.step for event in found["native"]["train_loss_step"]] == [4, 9, 14, 19, 24, 29]
    assert found["native"]["val_loss_epoch"][-1].value == pytest.approx(result["val_loss_epoch"], rel=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(0, 1000), st.integers(0, 300))
def test_orders_are_permutations_of_their_seed(seed: int, epoch: int, rows: int) -> None:
    order = epoch_order(seed, epoch, rows)
    assert sorted(order.tolist()) == list(range(rows))
    assert torch.equal(order, epoch_order(seed, epoch, rows))


NUMBERS = st.one_of(st.none(), st.integers(-3, 50), st.floats(), st.booleans(), st.text(max_size=3))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_epochs": NUMBERS,
            "max_steps": NUMBERS,
            "accumulate_grad_batches": NUMBERS,
            "gradient_clip_val": NUMBERS,
            "early_stopping_patience": NUMBERS,
            "gradient_clip_algorithm": st.sampled_from(["norm", "value", "nor", None]),
            "precision": st.sampled_from(["32", 32, "64-true", "16-mixed", "bf16", "8", None]),
            "max_epoch": NUMBERS,
        },
    )
)
def test_any_arguments_parse_or_are_refused_by_name(given_args: dict[str, Any]) -> None:
    args = {"accelerator": "cpu"} | given_args
    try:
        parsed = TrainerArgs.parse(args)
    except ConfigError as error:
        assert any(name in str(error) for name in (*args, "max_epochs"))
        return
    assert parsed.max_epochs is not None or parsed.max_steps is not None
    assert parsed.max_epochs is None or parsed.max_epochs >= 1
    assert parsed.gradient_clip_val is None or 0 < parsed.gradient_clip_val < float("inf")
    assert parsed.precision in ("32-true", "64-true", "bf16-mixed") and "max_epoch" not in args


def test_a_graph_is_trained_as_its_model_is_and_not_traced_again(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, figures = run(toy())
    graph = MaseGraph(toy())
    monkeypatch.setattr(MaseTracer, "trace", None)
    _, again = run(graph)
    assert again == figures
    assert_same(dict(model.state_dict()), dict(graph.model.state_dict()))


def test_a_rate_that_never_changes_needs_no_look_at_each_step(run: Any) -> None:
    found = [run(toy(), lr_scheduler=Schedule("constant", interval)) for interval in ("step", "epoch")]
    assert found[0][1] == found[1][1]
    assert_same(dict(found[0][0].state_dict()), dict(found[1][0].state_dict()))
