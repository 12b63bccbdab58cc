"""``ch train`` and ``ch test`` with what goes beyond MASE: engines, resume, grids, quantization-aware training."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[2] / "configs" / "examples"
SOFTWARE = "mase_output/p/software"


@pytest.fixture
def common(small_data):
    return "jsc-toy", small_data, "--cpu=0", "--project", "p", "--batch-size", "32", "--learning-rate", "1e-2"


def test_files_of_a_training(ch, common):
    outcome = ch("train", *common, "--max-epochs", "2", "--early-stopping-patience", "5")
    assert outcome.code == 0, outcome.err
    folder = f"{SOFTWARE}/training_ckpts"
    assert {f"{folder}/{name}" for name in ("best.ckpt", "last.ckpt", "metrics.csv")} <= outcome.files
    assert any(f.startswith(f"{SOFTWARE}/tensorboard/lightning_logs/version_0/events") for f in outcome.files)
    assert "engine native: the core trains this model on the CPU" in outcome.err
    pytest.importorskip("matplotlib")
    assert f"{folder}/learning_curves.png" in outcome.files
    tested = ch("test", *common, "--load", f"{folder}/best.ckpt", "--load-type", "pl")
    assert {f"{SOFTWARE}/test/confusion_matrix.csv", f"{SOFTWARE}/test/confusion_matrix.png"} <= tested.files
    with Path(f"{SOFTWARE}/test/confusion_matrix.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    counts = torch.tensor([[int(count) for count in row[1:]] for row in rows[1:]])
    shown = re.search(r"accuracy [\d.]+ \(macro\), ([\d.]+) \(micro\), .*?(\d+) rows", tested.out)
    assert int(counts.sum()) == int(shown.group(2)) == 80
    assert counts.trace().item() / 80 == pytest.approx(float(shown.group(1)), abs=1e-4)
    assert re.search(rf"^ *{rows[1][0]} +{rows[1][1]} ", tested.out, re.MULTILINE)


def test_engines_of_the_command_line_agree(ch, common):
    losses = {}
    for engine in ("native", "lightning"):
        outcome = ch("train", *common, "--max-steps", "1", "--engine", engine)
        assert outcome.code == 0, outcome.err
        content = torch.load(f"{SOFTWARE}/training_ckpts/last.ckpt", weights_only=True)
        losses[engine] = content["chop_scores"]["train_loss_step"]
        assert content["chop_run"]["engine"] == engine
    assert losses["native"] == pytest.approx(losses["lightning"], rel=1e-5)


def test_quantization_aware_training(ch, common):
    config = EXAMPLES / "jsc_toy_by_type.toml"
    words = (*common, "--max-epochs", "3")
    floats = ch("train", *words)
    last = f"{SOFTWARE}/training_ckpts/last.ckpt"
    weights = [torch.load(last, weights_only=True)["state_dict"]]
    aware = ch("train", *words, "--quant-config", config, "--straight-through", "clipped")
    assert floats.code == aware.code == 0, aware.err
    weights.append(torch.load(last, weights_only=True)["state_dict"])
    assert weights[0].keys() == weights[1].keys()  # the quantized model's weights load as the float model's
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    loss = {}
    for name, more in (("float", ()), ("quantized", ("--quant-config", config))):
        tested = ch("test", *common, "--load", last, "--load-type", "pl", *more)
        assert tested.code == 0, tested.err
        loss[name] = re.search(r"loss ([\d.]+)", tested.out).group(1)
    assert loss["float"] != loss["quantized"]


def test_a_grid_from_a_file(ch, common, small_data):
    text = (EXAMPLES / "jsc_grid.toml").read_text()
    small = text.replace("1e-5, 1e-3, 1e-2", "1e-3,1e-2").replace("repeats = 10", "repeats = 2")
    small = small.replace("16, 256, 1024, 2048", "16,256").replace("max_epochs = 10", "max_epochs = 1")
    assert small.count("1e-3,1e-2") == 1 and "repeats = 2" in small and "max_epochs = 1\n" in small
    Path("grid.toml").write_text(small)
    words = ("train", "jsc-tiny", small_data, "--config", "grid.toml", "--project", "p", "--workers", "2")
    outcome = ch(*words)
    assert outcome.code == 0, outcome.err
    assert {
        f"{SOFTWARE}/grid/{name}" for name in ("grid.csv", "grid_summary.csv", "grid.png")
    } <= outcome.files
    text = Path(f"{SOFTWARE}/grid/grid.csv").read_text()
    assert len(text.splitlines()) == 1 + 2 * 2 * 2 and "val_acc_mean" in outcome.out
    assert (
        ch(*words).code == 0 and Path(f"{SOFTWARE}/grid/grid.csv").read_text() == text
    )  # nothing was left to do


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid", "learning_rat=1"), ("grid.learning_rat", "did you mean 'learning_rate'")),
        (("--grid", "learning_rate=1,x"), ("grid.learning_rate", "'x'")),
        (("--grid", "batch_size=8", "--resume"), ("resume and grid",)),
        (("--momentum", "0.5"), ("momentum is an option of the optimizer 'sgd'",)),
        (("--engine", "nativ"), ("--engine", "did you mean 'native'")),
        (("--straight-through", "clip"), ("--straight-through", "plain, clipped")),
        (("--quant-config", "nothing.toml"), ("quant_config", "does not exist")),
        (("--quant-config", EXAMPLES / "jsc_train.toml"), ("quantize",)),
    ],
)
def test_bad_options_write_nothing(ch, common, words, said):
    ch("train", *common, *words).is_refused(*said)
