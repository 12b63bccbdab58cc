"""A last.ckpt with wrong contents: one sentence with file and key, or a run that ends as if nothing were wrong."""

from __future__ import annotations

import copy
import io
import random

import pytest
import torch
from torch import nn

from chop.tools.errors import ConfigError
from chop.training import fit

ABSENT = object()
WRONG = [None, True, -1, 0, 7, 2**70, 1.5, float("nan"), float("inf"), "x", [], {}, {"a": 1}, ABSENT]
WRONG += [torch.tensor(float("nan")), torch.zeros(2, 3), torch.tensor(-3)]


class Runs:
    """Two epochs of which one is done, on one engine."""

    def __init__(self, folder, engine):
        self.folder, self.engine = folder, engine
        self.x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        self.train(1)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.content = torch.load(io.BytesIO(self.files["last.ckpt"]), weights_only=True)
        self.expected = self.train(2, folder / "last.ckpt")

    def train(self, epochs, resume=None):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
        rows = self.x, (self.x[:, 0] > 0).long()
        found = fit(
            model,
            {"train": rows, "val": rows},
            classes=2,
            trainer_args={"max_epochs": epochs, "accelerator": "cpu", "precision": "32"},
            batch_size=32,
            engine=self.engine,
            bar=False,
            save_path=self.folder,
            lr_scheduler="constant",
            learning_rate=0.1,
            resume=resume,
        )
        return {name: tensor.tolist() for name, tensor in model.state_dict().items()}, repr(found)

    def with_value(self, path, value):
        for name, data in self.files.items():
            (self.folder / name).write_bytes(data)
        content = copy.deepcopy(self.content)
        at = content
        for key in path[:-1]:
            at = at[key]
        if value is ABSENT:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        torch.save(content, self.folder / "last.ckpt")
        return self.train(2, self.folder / "last.ckpt")

    def hold(self, path, value):
        """Refused by name, or the same in the end."""
        try:
            found = self.with_value(path, value)
        except ConfigError as error:
            assert "last.ckpt" in str(error) and "\n" not in str(error)
            return "refused"
        assert found == self.expected, (path, value)
        return "same"


def paths(content, before=()):
    if before:
        yield before
    pairs = enumerate(content) if isinstance(content, list) else ()
    for key, value in content.items() if isinstance(content, dict) else pairs:
        yield from paths(value, (*before, key))


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("native"), "native")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("epoch",), "x", r"epoch must be a whole number from 0, got 'x'"),
        (("epoch",), -1, r"epoch must be a whole number from 0, got -1"),
        (("epoch",), float("nan"), r"epoch must be a whole number from 0, got nan"),
        (("epoch",), True, r"epoch must be a whole number"),
        (("global_step",), 9, r"chop_scores\.step must be 9, got 2"),
        (("optimizer_states",), [], r"optimizer_states must be a list of one table, got \[\]"),
        (("optimizer_states", 0), {}, r"optimizer_states\[0\] lacks state, param_groups"),
        (("optimizer_states", 0, "state"), {}, r"state has 0 entries, chop_run\.trained says \[6\]"),
        (
            ("optimizer_states", 0, "state", 0, "step"),
            torch.tensor(float("nan")),
            r"step must be 2, as global_step",
        ),
        (
            ("optimizer_states", 0, "state", 0, "exp_avg"),
            torch.zeros(3),
            r"exp_avg must be a tensor \[4, 4\]",
        ),
        (("optimizer_states", 0, "param_groups", 0, "eps"), 1.0, r"eps must be 1e-08, got 1\.0"),
        (("lr_schedulers",), [], r"lr_schedulers must be a list of one table"),
        (("lr_schedulers", 0, "_last_lr"), [float("nan")], r"_last_lr must be a number, got nan"),
        (("state_dict",), [], r"state_dict must be a table, got \[\]"),
        (
            ("state_dict", "model.0.weight"),
            torch.zeros(2),
            r"model\.0\.weight must be a tensor \[4, 4\] of float32",
        ),
        (("state_dict", "model.0.weight"), torch.zeros(4, 4).long(), r"model\.0\.weight must be a tensor"),
        (("chop_run",), [], r"chop_run must be a table"),
        (("chop_run",), ABSENT, r"no checkpoint of ch train; .* \(it lacks chop_run\)"),
        (("chop_run", "engine"), "turbo", r"was written by engine 'turbo', not 'native'"),
        (("chop_run", "best", "epoch"), 5, r"best\.epoch must be a whole number in 0\.\.0, got 5"),
        (("chop_scores", "val_acc_epoch"), 2.0, r"val_acc_epoch must be a number"),
    ],
)
def test_the_key_is_named(native, path, value, said):
    with pytest.raises(ConfigError, match=said):
        native.with_value(path, value)


def some(content, number, seed):
    every = [(path, value) for path in paths(content) for value in WRONG]
    return random.Random(seed).sample(every, number)


def test_any_wrong_value_is_refused_or_harmless(native):
    found = [native.hold(path, value) for path, value in some(native.content, 150, 0)]
    assert min(found.count("refused"), found.count("same")) > 20


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["native", "lightning"])
def test_every_key_with_every_wrong_value(engine, tmp_path):
    if engine == "lightning":
        pytest.importorskip("lightning")
    runs = Runs(tmp_path, engine)
    every = list(paths(runs.content))
    cases = [(path, value) for path in every for value in WRONG]
    for path, value in cases if engine == "native" else random.Random(0).sample(cases, 1000):
        runs.hold(path, value)


@pytest.mark.parametrize("value", [{"a": 1}, -1, "x", None, {}, ABSENT])
def test_a_place_of_the_loops_is_of_the_kind_that_lightning_keeps(tmp_path, value):
    pytest.importorskip("lightning")
    runs = Runs(tmp_path, "lightning")
    batch, optimizer = "epoch_loop.batch_progress", "epoch_loop.automatic_optimization.optim_progress"
    places = [(batch,), (batch, "total"), (batch, "current", "ready"), (batch, "is_last_batch")]
    places += [(optimizer, "optimizer"), (optimizer, "optimizer", "zero_grad", "total", "completed")]
    for path in places:
        assert runs.hold(("loops", "fit_loop", *path), value) == "refused", path


@pytest.mark.parametrize("value", [1.5, 0, 3, float("nan"), torch.tensor(1.5)])
def test_a_count_of_steps_is_whole_and_no_more_than_were_made(tmp_path, value):
    pytest.importorskip("lightning")
    runs = Runs(tmp_path, "lightning")
    assert runs.hold(("optimizer_states", 0, "state", 5, "step"), value) == "refused"
