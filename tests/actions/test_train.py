"""Training and testing: what is written, who can read it, determinism, accuracy, bad input."""

import re

import pytest
import torch

from chop.actions import test as run_test
from chop.actions import train as run_train
from chop.dataset import MaseDataModule, get_dataset_info
from chop.models import get_model, get_model_info
from chop.registry import UnknownNameError
from chop.tools.checkpoint_load import load_model
from chop.tools.errors import ConfigError
from tests import programs

ENGINES = ("native", "lightning")


@pytest.fixture(scope="module")
def data():
    module = MaseDataModule("jsc-synth", 512)
    module.setup()
    return module


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """1,000 of the synthetic jets."""
    import numpy as np

    x, y = MaseDataModule("jsc-synth", 64).arrays("val")
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=x[:1000].numpy(), y=y[:1000].numpy())
    return MaseDataModule(str(path), 64)


def train(data, model="jsc-toy", seed=0, **options):
    options = {"learning_rate": 1e-2, "plt_trainer_args": {"max_epochs": 2, "accelerator": "cpu"}} | options
    if isinstance(model, str):
        torch.manual_seed(seed)
        model = get_model(model)
    info = get_dataset_info("jsc-synth")
    return model, run_train(model, get_model_info("jsc-toy"), data, info, "cls", seed=seed, **options)


def test_accuracy_floor(data, tmp_path):
    trainer = {"max_epochs": 4, "accelerator": "cpu"}
    _, result = train(data, "jsc-mlp", plt_trainer_args=trainer, save_path=tmp_path)
    assert result["val_acc_micro"] > 0.74
    scored = run_test(
        get_model("jsc-mlp"),
        None,
        data,
        get_dataset_info("jsc-synth"),
        "cls",
        load_name=result["best"],
        load_type="pl",
        plt_trainer_args={"accelerator": "cpu"},
    )
    assert scored["rows"] == 30_000 and scored["test_acc_micro"] > 0.74


def test_linear_floor(data):
    trainer = {"max_epochs": 3, "accelerator": "cpu"}
    _, result = train(data, "jsc-linear", learning_rate=2e-2, plt_trainer_args=trainer)
    assert result["val_acc_micro"] > 0.65


@pytest.mark.parametrize("engine", ENGINES)
def test_one_seed_one_result_on_any_number_of_threads(engine, small):
    threads = torch.get_num_threads()
    states = []
    try:
        for count, seed in ((1, 0), (2, 0), (2, 1)):
            torch.set_num_threads(count)
            states.append(train(small, "jsc-mlp", seed=seed, engine=engine)[0].state_dict())
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not all(torch.equal(states[0][k], states[2][k]) for k in states[0])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_callers_random_stream_is_left_alone(engine, small):
    model = get_model("jsc-toy")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(small, model, engine=engine)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_checkpoints_are_in_lightnings_layout(engine, small, tmp_path):
    model, result = train(small, save_path=tmp_path, engine=engine)
    assert {"best.ckpt", "last.ckpt", "metrics.csv"} <= {p.name for p in tmp_path.iterdir()}
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert {
        "epoch",
        "global_step",
        "pytorch-lightning_version",
        "state_dict",
        "optimizer_states",
    } <= last.keys()
    assert last["epoch"] == 1 and last["global_step"] == result["global_step"] == 2 * 10
    assert all(torch.equal(v, last["state_dict"][f"model.{k}"]) for k, v in model.state_dict().items())
    # MASE's own loader: take state_dict, strip the leading "model.".
    get_model("jsc-toy").load_state_dict({k.removeprefix("model."): v for k, v in last["state_dict"].items()})
    load_model(tmp_path / "best.ckpt", "pl", get_model("jsc-toy"))


def test_lightning_reads_our_checkpoint_and_we_read_its(small, tmp_path):
    lightning = pytest.importorskip("lightning")
    from chop.plt_wrapper import get_model_wrapper

    model, _ = train(small, save_path=tmp_path)
    wrapper = get_model_wrapper(get_model_info("jsc-toy"), "cls").load_from_checkpoint(
        tmp_path / "last.ckpt",
        model=get_model("jsc-toy"),
        dataset_info=get_dataset_info("jsc-synth"),
        learning_rate=1e-3,
        epochs=3,
    )
    data = MaseDataModule(small.name, 64)
    assert isinstance(data, lightning.LightningDataModule)
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    assert all(torch.equal(v, wrapper.model.state_dict()[k]) for k, v in model.state_dict().items())
    trainer.fit(wrapper, datamodule=data)
    assert trainer.callback_metrics["val_acc_epoch"] > 0.4
    trainer.save_checkpoint(tmp_path / "theirs.ckpt", weights_only=True)
    ours = load_model(tmp_path / "theirs.ckpt", "pl", get_model("jsc-toy"))
    assert all(torch.equal(v, wrapper.model.state_dict()[k]) for k, v in ours.state_dict().items())


@pytest.mark.parametrize("engine", ENGINES)
def test_best_is_the_lowest_validation_loss(engine, small, tmp_path):
    # At this rate the loss goes up and down; the checkpoint must be the one of the reported epoch.
    trainer = {"max_epochs": 8, "accelerator": "cpu"}
    _, result = train(small, learning_rate=0.3, plt_trainer_args=trainer, engine=engine, save_path=tmp_path)
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert best["epoch"] == result["best_epoch"]
    assert best["chop_scores"]["val_loss_epoch"] == result["best_val_loss"] <= result["val_loss_epoch"]


@pytest.mark.parametrize("engine", ENGINES)
def test_limits_and_accumulation(engine, small):
    _, result = train(
        small, plt_trainer_args={"max_epochs": 3, "max_steps": 7, "accelerator": "cpu"}, engine=engine
    )
    assert result["global_step"] == 7 and result["epochs"] == 1
    _, result = train(
        small, plt_trainer_args={"max_epochs": -1, "max_steps": 25, "accelerator": "cpu"}, engine=engine
    )
    assert result["global_step"] == 25 and result["epochs"] == 3
    trainer = {"max_epochs": 2, "accumulate_grad_batches": 4, "accelerator": "cpu"}
    _, result = train(small, plt_trainer_args=trainer, engine=engine)
    assert result["global_step"] == 2 * 3  # 10 batches an epoch: 4 + 4 + 2


@pytest.mark.parametrize("engine", ENGINES)
def test_accumulated_batches_equal_one_large_batch(engine, small):
    # One step of plain SGD on all 600 rows, or on five times 120 of them; jsc-mlp has no batch norm.
    states = []
    for batch, accumulate in ((600, 1), (120, 5)):
        args = {"max_epochs": 1, "accelerator": "cpu", "accumulate_grad_batches": accumulate}
        data = MaseDataModule(small.name, batch)
        options = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1, "engine": engine}
        model, result = train(data, "jsc-mlp", plt_trainer_args=args, **options)
        assert result["global_step"] == 1
        states.append(model.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_optimizers_learn_alike_on_both_engines(optimizer, small):
    results = {}
    for engine in ENGINES:
        options = {"optimizer": optimizer, "learning_rate": 2e-2, "weight_decay": 1e-4, "engine": engine}
        args = {"max_epochs": 2, "accelerator": "cpu", "gradient_clip_val": 1.0}
        _, results[engine] = train(small, "jsc-linear", plt_trainer_args=args, **options)
        assert results[engine]["train_loss_epoch"] < 1.75
    for name in ("train_loss_epoch", "val_loss_epoch", "train_loss_step"):
        assert results["native"][name] == pytest.approx(results["lightning"][name], rel=1e-4), name


def test_accuracies_follow_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.classification")
    from chop.training.scores import Tally

    torch.manual_seed(0)
    logits = torch.randn(500, 5)
    logits[:, 4] += 3  # class 4 is guessed but never true
    y = torch.randint(0, 3, (500,))
    tally = Tally(5)
    for part in range(0, 500, 64):
        x, labels = logits[part : part + 64], y[part : part + 64]
        tally.add(torch.nn.functional.cross_entropy(x, labels), x, labels)
    score = tally.score()
    for average, ours in (("macro", score.accuracy), ("micro", score.accuracy_micro)):
        theirs = torchmetrics.MulticlassAccuracy(5, average=average)(logits, y).item()
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert score.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, y).item(), rel=1e-6)


@pytest.mark.parametrize(("engine", "words"), [("native", "Epoch 2/2"), ("lightning", "Epoch 1")])
def test_the_bar_shows_loss_and_accuracy(engine, words, small, capfd):
    train(small, engine=engine)
    shown = "".join(capfd.readouterr())
    assert re.search(r"loss\w*=\d", shown) and re.search(r"acc\w*=\d", shown) and words in shown


def test_the_test_line_names_the_data(data, capsys):
    result = run_test(
        get_model("jsc-toy", pretrained=True),
        None,
        data,
        get_dataset_info("jsc-synth"),
        "cls",
        plt_trainer_args={"accelerator": "cpu"},
    )
    line = capsys.readouterr().out
    assert "synthetic" in line and f"{result['test_acc_epoch']:.4f}" in line and "30000 rows" in line


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "adamm"}, UnknownNameError, "did you mean 'adam'"),
        ({"learning_rate": 0.0}, ConfigError, "learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, ConfigError, "learning_rate must be a number above 0"),
        ({"weight_decay": -1.0}, ConfigError, "weight_decay must be"),
        (
            {"plt_trainer_args": {"max_epoch": 3}},
            ConfigError,
            "max_epoch is not known .did you mean 'max_epochs'",
        ),
        ({"plt_trainer_args": {"max_epochs": 0}}, ConfigError, "max_epochs or max_steps"),
        ({"plt_trainer_args": {"max_epochs": "3"}}, ConfigError, "max_epochs must be an integer, got '3'"),
        ({"plt_trainer_args": {"accumulate_grad_batches": 0}}, ConfigError, "accumulate_grad_batches"),
        ({"plt_trainer_args": {"accelerator": "gpuu"}}, ConfigError, "accelerator must be one of"),
        ({"load_name": "/nowhere/a.ckpt", "load_type": "pl"}, FileNotFoundError, "does not exist"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(options, error, message, small, tmp_path):
    with pytest.raises(error, match=message):
        train(small, save_path=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_exploding_loss_stops_with_advice(small):
    with pytest.raises(RuntimeError, match="a lower learning rate may help"):
        train(small, "jsc-mlp", optimizer="sgd", learning_rate=1e30)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has the accelerator")
def test_a_missing_accelerator_is_a_warning(small, caplog):
    train(small, plt_trainer_args={"max_epochs": 1, "accelerator": "gpu"})
    assert "accelerator 'gpu' is not available here; using the CPU" in caplog.text


def test_data_and_models_import_nothing_heavy():
    heavy = {"lightning", "h5py", "pandas", "pooch", "matplotlib", "torchmetrics"}
    code = f"import sys, chop.dataset, chop.models, chop.plt_wrapper; assert not {heavy} & sys.modules.keys()"
    programs.output(code)
