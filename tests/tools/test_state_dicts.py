"""States as other programs leave them: found where there is one, refused with the places where there are more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from chop.models import get_model
from chop.tools.checkpoint_load import find_load_type, load_model, save_mz
from chop.tools.errors import ConfigError


@pytest.fixture(scope="module")
def model():
    return get_model("jsc-tiny", pretrained=True)


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def loaded(content, tmp_path, kind=None, into=None):
    torch.save(content, tmp_path / "a.ckpt")
    return load_model(tmp_path / "a.ckpt", kind, get_model("jsc-tiny") if into is None else into)


def under(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WRAPPED = {
    "module.": lambda s: under("module.", s),
    "_orig_mod.": lambda s: under("_orig_mod.", s),
    "module._orig_mod.": lambda s: under("module._orig_mod.", s),
    "net. in a Lightning checkpoint": lambda s: {"state_dict": under("net.", s), "epoch": 1},
    "model, epoch": lambda s: {"model": s, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "state_dict": lambda s: {"state_dict": s, "args": {"lr": 0.1}},
    "model_state_dict": lambda s: {"epoch": 3, "model_state_dict": under("module.", s)},
    "nested": lambda s: {"checkpoint": {"nets": {"student": s}}, "loss": 0.5},
    "an averaged model": lambda s: {"n_averaged": torch.tensor(3), **under("module.", s)},
    "metrics beside": lambda s: {"state_dict": {**under("model.", s), "accuracy.tp": torch.ones(5)}},
    "another network beside": lambda s: {**under("student.", s), "teacher.fc.weight": torch.ones(3)},
    "class weights beside": lambda s: {"weights": torch.ones(5), "model": s},
    "in half": lambda s: {name: t.half() if t.is_floating_point() else t for name, t in s.items()},
    "no counters": lambda s: {name: t for name, t in s.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("kind", [None, "pt"])
def test_one_state_is_read_with_a_note(name, kind, model, tmp_path, caplog):
    caplog.set_level("INFO", logger="chop")
    fresh = loaded(WRAPPED[name](model.state_dict()), tmp_path, kind)
    if name == "in half":
        assert torch.allclose(fresh.seq_blocks[2].weight, model.seq_blocks[2].weight, atol=1e-3)
        assert "cast from float16 to float32" in caplog.text
    elif name == "no counters":
        assert "num_batches_tracked is not in it and stays as it is" in caplog.text
        assert torch.equal(fresh.seq_blocks[2].weight, model.seq_blocks[2].weight)
    else:
        assert same(fresh, model)
        assert name == "state_dict" or "a.ckpt: " in caplog.text


AMBIGUOUS = {
    "model and ema": lambda s: {"model": s, "ema": s},
    "state_dict and ema_state_dict": lambda s: {"state_dict": s, "ema_state_dict": under("module.", s)},
    "student. and teacher.": lambda s: {**under("student.", s), **under("teacher.", s)},
    "whole and copy": lambda s: {**s, "copy": s},
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_two_states_are_refused_with_their_places(name, model, tmp_path):
    fresh = get_model("jsc-tiny")
    before = {key: value.clone() for key, value in fresh.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        loaded(AMBIGUOUS[name](model.state_dict()), tmp_path, None, fresh)
    text = str(caught.value)
    if name != "whole and copy":
        assert "holds 2 states that fit JSC_Tiny" in text and "torch.save(" in text
        assert all(word in text for word in name.split(" and "))
    assert all(torch.equal(before[key], value) for key, value in fresh.state_dict().items())


def test_a_part_called_model_is_a_part(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    net = Net()
    for content in ({"state_dict": net.state_dict()}, net.state_dict(), under("model.", net.state_dict())):
        assert same(loaded(content, tmp_path, None, Net()), net)
    torch.save({"state_dict": net.state_dict()}, tmp_path / "b.ckpt")
    assert load_model(tmp_path / "b.ckpt", "pl").keys() == net.state_dict().keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.to(torch.complex64), "seq_blocks.2.weight holds complex64, the model needs float32"),
        (lambda t: t.long(), "seq_blocks.2.weight holds int64, the model needs float32"),
        (lambda t: t.bool(), "seq_blocks.2.weight holds bool, the model needs float32"),
        (lambda t: t.to_sparse(), "seq_blocks.2.weight holds float32 in a form other than dense"),
        (
            lambda t: t.double() * 1e300,
            "seq_blocks.2.weight holds float64 with values that are out of the range",
        ),
        (lambda t: t[:2], r"seq_blocks.2.weight has shape [2, 16], the model needs [5, 16]"),
        (lambda t: 3.0, "seq_blocks.2.weight is of type float, the model needs a tensor"),
    ],
)
def test_tensors_of_other_kinds_are_refused_by_name(change, said, model, tmp_path):
    state = dict(model.state_dict())
    state["seq_blocks.2.weight"] = change(state["seq_blocks.2.weight"])
    with pytest.raises(ConfigError) as caught:
        loaded(state, tmp_path)
    assert said in str(caught.value)


def test_counters_keep_their_kind(model, tmp_path):
    state = dict(model.state_dict())
    state["seq_blocks.0.num_batches_tracked"] = torch.tensor(7, dtype=torch.int32)
    assert loaded(state, tmp_path).seq_blocks[0].num_batches_tracked.item() == 7
    state["seq_blocks.0.num_batches_tracked"] = torch.tensor(7.0)
    with pytest.raises(ConfigError, match="num_batches_tracked holds float32, the model needs int64"):
        loaded(state, tmp_path)


def test_tied_tensors(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

    net = Tied()
    state = net.state_dict()
    once = {name: tensor for name, tensor in state.items() if name != "b.weight"}
    assert same(loaded(once, tmp_path, None, Tied()), net)
    with pytest.raises(ConfigError, match=r"a\.weight and b\.weight differ, but the model has one tensor"):
        loaded({**state, "b.weight": torch.ones(3, 3)}, tmp_path, None, Tied())


@pytest.mark.parametrize(
    ("value", "named"), [(nn.MSELoss(), "torch.nn.modules.loss.MSELoss"), (Path("a"), "pathlib")]
)
def test_classes_that_are_not_built_are_named(value, named, model, tmp_path):
    with pytest.raises(ConfigError) as caught:
        loaded({"state_dict": model.state_dict(), "hyper_parameters": {"x": value}}, tmp_path, "pl")
    assert named in str(caught.value) and "torch.save(model.state_dict()" in str(caught.value)


def test_the_type_is_found_by_looking(model, tmp_path):
    torch.save(model.state_dict(), tmp_path / "a.mz")
    torch.save({"state_dict": model.state_dict(), "pytorch-lightning_version": "2.5.0"}, tmp_path / "a.pt")
    save_mz(model, tmp_path / "best.ckpt")
    found = {name: find_load_type(tmp_path / name) for name in ("a.mz", "a.pt", "best.ckpt")}
    assert found == {"a.mz": "pt", "a.pt": "pl", "best.ckpt": "mz"}
    for name in found:
        assert same(load_model(tmp_path / name, None, get_model("jsc-tiny")), model)
    with pytest.raises(
        ConfigError, match=r"best\.ckpt is a file of chop \(mz\), not pt: leave load_type out"
    ):
        load_model(tmp_path / "best.ckpt", "pt")
    with pytest.raises(ConfigError, match=r"a\.mz is a file of torch\.save \(pt or pl\), not mz"):
        load_model(tmp_path / "a.mz", "mz")
    with pytest.raises(ConfigError, match="it has no 'state_dict'"):
        load_model(tmp_path / "a.mz", "pl")


def test_a_place_that_nearly_fits_is_named(tmp_path, model):
    short = {name: tensor for name, tensor in model.state_dict().items() if name != "seq_blocks.2.bias"}
    with pytest.raises(ConfigError) as caught:
        loaded({"net": under("module.", short)}, tmp_path)
    assert "it lacks seq_blocks.2.bias" in str(caught.value)
    assert "looked at the entry 'net' and there the names that begin with 'module.'" in str(caught.value)
    with pytest.raises(ConfigError, match="its keys are 'a', 'b'"):
        loaded({"a": 1, "b": [2]}, tmp_path)
