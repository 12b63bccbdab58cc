"""A run that is stopped and goes on ends bit for bit like one that was not."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chop.nn.quantizers import integer_quantizer
from chop.tools.errors import ConfigError
from chop.training.history import History
from chop.training.saver import Saver
from tests.training.conftest import ENGINES, assert_same, assert_same_files, toy


class Stop:
    """Ends a run as Ctrl-C does, while the epoch after ``epoch`` is trained."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
        self.event = threading.Event()
        add = History.add

        def stopping(history: History, row: dict[str, Any]) -> bool:
            best = add(history, row)
            if row["epoch"] == epoch:
                self.event.set()
            return best

        monkeypatch.setattr(History, "add", stopping)


OPTIONS = {
    "adam, cosine": {},
    "sgd": {"optimizer": "sgd", "momentum": 0.8, "lr_scheduler": "constant"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.01, "lr_scheduler": "linear"},
}
ARGS = {"max_epochs": 5, "accumulate_grad_batches": 3, "gradient_clip_val": 0.5}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
@pytest.mark.parametrize("epoch", [0, 3])
def test_resumed_equals_uninterrupted(
    run: Any, engine: str, options: Any, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "lightning" and (options or epoch != 3):
        pytest.skip("Lightning restores what it saved; one case shows that our parts do too")
    given = {"engine": engine, "args": ARGS, **options}
    whole, expected = run(save_path=tmp_path / "a", **given)
    with monkeypatch.context() as patch:
        stop = Stop(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            run(save_path=tmp_path / "b", halt=stop.event, **given)
    assert torch.load(tmp_path / "b" / "last.ckpt", weights_only=True)["epoch"] == epoch
    resumed, found = run(toy(seed=9), save_path=tmp_path / "b", resume=tmp_path / "b" / "last.ckpt", **given)
    assert_same(whole.state_dict(), resumed.state_dict())
    paths = ("best", "last", "metrics")
    assert_same(*({k: v for k, v in r.items() if k not in paths} for r in (expected, found)))
    assert_same_files(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_is_over_is_not_trained_on(run: Any, engine: str, tmp_path: Path) -> None:
    model, result = run(engine=engine, save_path=tmp_path)
    before = (tmp_path / "last.ckpt").read_bytes()
    other, again = run(toy(seed=9), engine=engine, save_path=tmp_path, resume=tmp_path / "last.ckpt")
    assert_same(model.state_dict(), other.state_dict())
    assert again == result and (tmp_path / "last.ckpt").read_bytes() == before


class Noisy(nn.Module):
    """Draws random numbers and has a layer that the core does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 8), nn.LayerNorm(8), nn.Dropout(0.3), nn.Linear(8, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(integer_quantizer(x, 6, 3))


def test_random_layers_need_no_state(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy() -> nn.Module:
        torch.manual_seed(0)
        return Noisy()

    whole, result = run(noisy(), save_path=tmp_path / "a")
    assert result["engine"] == "lightning"  # "auto" saw that the core drops nothing
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        run(noisy(), save_path=tmp_path / "b", halt=Stop(patch, 0).event)
    resumed, _ = run(noisy(), save_path=tmp_path / "b", resume=tmp_path / "b" / "last.ckpt")
    assert_same(whole.state_dict(), resumed.state_dict())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 1e-3}, "was trained with learning_rate 0.01, got 0.001"),
        ({"batch_size": 32}, "batch_size 64, got 32"),
        ({"args": {"max_epochs": 4}}, "max_epochs 3, got 4"),
        ({"engine": "lightning"}, "was written by engine 'native', not 'lightning'"),
        ({"seed": 1}, "seed 0, got 1"),
        ({"lr_scheduler": "linear"}, "was trained with lr_scheduler 'cosine', got 'linear'"),
    ],
)
def test_another_plan_is_refused(run: Any, tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    run(engine="native", save_path=tmp_path)
    options = {"engine": "native", "save_path": tmp_path, "resume": tmp_path / "last.ckpt"} | changed
    with pytest.raises(ConfigError, match=message):
        run(**options)


def test_other_rows_are_refused(run: Any, small: Any, tmp_path: Path) -> None:
    train, val = small.arrays("train"), small.arrays("val")
    options = {"engine": "native", "batch_size": 64, "save_path": tmp_path}
    run(data={"train": train, "val": val}, **options)
    changed = train[0].clone()
    changed[5, 3] += 1
    for rows in ({"train": (changed, train[1]), "val": val}, {"train": train, "val": train}):
        with pytest.raises(ConfigError, match="was trained on other rows"):
            run(data=rows, resume=tmp_path / "last.ckpt", **options)
    run(data=small, resume=tmp_path / "last.ckpt", **options)  # the same rows, from elsewhere


def test_a_run_of_64_bits_is_resumed_without_rounding(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"engine": "native", "args": {"precision": "64"}}
    whole, _ = run(save_path=tmp_path / "a", **given)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        run(save_path=tmp_path / "b", halt=Stop(patch, 0).event, **given)
    resumed, _ = run(toy(9), save_path=tmp_path / "b", resume=tmp_path / "b" / "last.ckpt", **given)
    assert_same(whole.state_dict(), resumed.state_dict())
    assert_same_files(tmp_path / "a", tmp_path / "b")
    assert whole.seq_blocks[2].weight.dtype == torch.float32


def test_damaged_figures_are_named(run: Any, tmp_path: Path) -> None:
    options = {"engine": "native", "save_path": tmp_path}
    run(**options)
    (tmp_path / "metrics.csv").write_text((tmp_path / "metrics.csv").read_text()[:150])
    with pytest.raises(ConfigError, match=r"metrics.csv is damaged"):
        run(resume=tmp_path / "last.ckpt", **options)
    (tmp_path / "metrics.csv").unlink()
    assert run(resume=tmp_path / "last.ckpt", **options)[1]["epochs"] == 3


def test_a_save_that_is_interrupted_is_done_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, content: Any) -> None:
        raise KeyboardInterrupt

    saver = Saver(tmp_path, History())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("chop.training.saver.save_checkpoint", interrupted)
        saver.offer(lambda: {"epoch": 0}, best=True)
    saver.flush()
    for name in ("best.ckpt", "last.ckpt"):
        assert torch.load(tmp_path / name, weights_only=True) == {"epoch": 0}


def test_a_loss_that_is_no_number_is_not_the_best() -> None:
    history = History()
    kept = [
        history.add({"epoch": i, "val_loss_epoch": loss}) for i, loss in enumerate((math.nan, 2.0, math.nan))
    ]
    assert kept == [True, True, False] and (history.best_epoch, history.best_loss) == (1, 2.0)


def test_a_constant_rate_lets_a_run_grow(run: Any, tmp_path: Path) -> None:
    options = {"engine": "native", "lr_scheduler": "constant"}
    whole, _ = run(args={"max_epochs": 4}, **options)
    run(save_path=tmp_path, args={"max_epochs": 2}, **options)
    grown, _ = run(save_path=tmp_path, resume=tmp_path / "last.ckpt", args={"max_epochs": 4}, **options)
    assert_same(whole.state_dict(), grown.state_dict())


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run(save_path=tmp_path, resume=tmp_path / "last.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match=r"no checkpoint of ch train; start from its weights with --load"):
        run(save_path=tmp_path, resume=tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match="save_path must be"):
        run(save_path=tmp_path / "elsewhere", resume=tmp_path / "last.ckpt")
    (tmp_path / "last.ckpt").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        run(save_path=tmp_path, resume=tmp_path / "last.ckpt")


def test_lightning_itself_goes_on_from_a_native_checkpoint(run: Any, small: Any, tmp_path: Path) -> None:
    """``trainer.fit(ckpt_path=…)`` on the file: right epoch, step, rate, and the optimizer's state."""
    from types import SimpleNamespace

    import lightning

    from chop.plt_wrapper.jet_substructure import JetSubstructureModelWrapper
    from chop.plt_wrapper.schedules import Schedule
    from chop.training.order import seeded

    options = {"engine": "native", "lr_scheduler": "constant"}
    expected, _ = run(toy(name="jsc-linear"), {"max_epochs": 4}, **options)
    run(toy(name="jsc-linear"), {"max_epochs": 2}, save_path=tmp_path, **options)
    module = JetSubstructureModelWrapper(
        toy(9, "jsc-linear"), SimpleNamespace(num_classes=5), 1e-2, epochs=4, schedule=Schedule("constant")
    )
    trainer = lightning.Trainer(
        max_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path,
    )  # fmt: skip
    loaders = seeded(small.train_dataloader(), 0), small.val_dataloader()
    trainer.fit(module, *loaders, ckpt_path=str(tmp_path / "last.ckpt"))
    assert trainer.current_epoch == 4 and trainer.global_step == 40
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(module.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
