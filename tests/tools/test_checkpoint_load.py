"""Checkpoints: what loads, what is refused, that nothing is executed and no wrong number loads."""

import io
import os
import pickle
import random
from pathlib import Path

import pytest
import torch
from torch import nn

from chop.models import get_model
from chop.tools.checkpoint_load import load_model, read_mz, save_mz
from chop.tools.errors import ConfigError


@pytest.fixture
def model():
    torch.manual_seed(1)
    return get_model("jsc-toy")


def write(kind, model, path):
    if kind == "mz":
        return save_mz(model, path)
    state = model.state_dict()
    if kind == "pl":
        state = {"state_dict": {f"model.{k}": v for k, v in state.items()}, "epoch": 3}
        state["state_dict"]["accuracies.val.tp"] = torch.zeros(5)  # a metric beside the network
    torch.save(state, path)
    return path


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("kind", ["mz", "pt", "pl"])
def test_round_trip(kind, model, tmp_path):
    path = write(kind, model, tmp_path / "a")
    other = get_model("jsc-toy")
    assert load_model(path, kind, other) is other
    assert same(other.state_dict(), model.state_dict())
    assert same(load_model(path, kind), model.state_dict())


@pytest.mark.parametrize("kind", ["mz", "pt", "pl"])
def test_truncated(kind, model, tmp_path):
    payload = write(kind, model, tmp_path / "a").read_bytes()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for length in range(0, len(payload), 64):
        (tmp_path / "b").write_bytes(payload[:length])
        with pytest.raises(ConfigError):
            load_model(tmp_path / "b", kind, model)
    assert same(model.state_dict(), before)


@pytest.mark.parametrize("kind", ["mz", "pt", "pl"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(1000), b"\xff" * 4096, b"PK\x03\x04" + bytes(100)])
def test_foreign(kind, content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_model(tmp_path / "a", kind, get_model("jsc-tiny"))
    assert str(tmp_path / "a") in str(caught.value) and "\n" not in str(caught.value)


def test_every_flipped_bit_of_an_mz_file_is_found(tmp_path):
    payload = save_mz(get_model("jsc-tiny"), tmp_path / "a.mz").read_bytes()
    stream = random.Random(0)
    for position in range(len(payload)):
        altered = bytearray(payload)
        altered[position] ^= 1 << stream.randrange(8)
        (tmp_path / "b.mz").write_bytes(altered)
        with pytest.raises(ConfigError):
            read_mz(tmp_path / "b.mz")


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("kind", ["mz", "pt", "pl"])
@pytest.mark.parametrize(
    "wrap", [lambda p: p, lambda p: {"state_dict": {"model.a": p}}, lambda p: {"a": [p]}]
)
def test_a_pickle_payload_is_not_executed(kind, wrap, tmp_path):
    marker = tmp_path / "executed"
    torch.save(wrap(Payload(marker)), tmp_path / "zip")
    (tmp_path / "raw").write_bytes(pickle.dumps(wrap(Payload(marker))))
    for name in ("zip", "raw"):
        with pytest.raises(ConfigError):
            load_model(tmp_path / name, kind, get_model("jsc-tiny"))
    assert not marker.exists()
    pickle.loads((tmp_path / "raw").read_bytes())  # noqa: S301  the payload works, so the test can fail
    assert marker.exists()


def test_a_whole_pickled_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="other than tensors"):
        load_model(tmp_path / "a.pt", "pt")


@pytest.mark.parametrize("kind", ["mz", "pt", "pl"])
def test_weights_of_another_model(kind, model, tmp_path):
    path = write(kind, model, tmp_path / "a")
    with pytest.raises(
        ConfigError, match=r"does not fit JSC_Tiny: it has unknown seq_blocks\.3\.bias, .* \.\.\."
    ):
        load_model(path, kind, get_model("jsc-tiny"))
    wide = get_model("jsc-toy", dataset_info={"num_features": 20, "num_classes": 5})
    with pytest.raises(ConfigError, match=r"has shape \[16\], the model needs \[20\]"):
        load_model(path, kind, wide)


def test_not_a_state_dict(tmp_path):
    torch.save({"a": 3}, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="not a state dict"):
        load_model(tmp_path / "a.pt", "pt")
    with pytest.raises(ConfigError, match="not a Lightning checkpoint"):
        load_model(tmp_path / "a.pt", "pl")


def test_names_and_types(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mz"):
        load_model(tmp_path / "gone.mz")
    with pytest.raises(ConfigError, match="is not a file"):
        load_model(tmp_path)
    with pytest.raises(
        ConfigError, match=r"load_type must be one of mz, pl, pt, got 'mzz' .did you mean 'mz'"
    ):
        load_model(tmp_path, "mzz")


def test_an_mz_file_is_a_safetensors_file_with_notes(model, tmp_path):
    from safetensors.torch import load_file

    extra = {"sha256": "0" * 64, "config": {"by": "type"}}
    path = save_mz(model, tmp_path / "a.mz", extra=extra)
    assert same(load_file(path), model.state_dict())
    assert read_mz(path)[1] == extra
    assert save_mz(model, tmp_path / "b.mz", extra=extra).read_bytes() == path.read_bytes()


def test_a_newer_version_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr("chop.tools.mz_file._VERSION", 9)
    path = save_mz(model, tmp_path / "a.mz")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="has version 9, this chop reads version 1"):
        read_mz(path)


def test_a_failing_write_keeps_the_old_file(model, tmp_path, monkeypatch):
    path = save_mz(model, tmp_path / "a.mz")
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_mz(get_model("jsc-toy"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_tied_weights(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)
            self.b.weight = self.a.weight

    path = save_mz(Tied(), tmp_path / "a.mz")
    assert same(load_model(path, "mz", Tied()).state_dict(), read_mz(path)[0])


def test_nothing_is_left_open(model, tmp_path):
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    path = Path(tmp_path / "a.pt")
    path.write_bytes(buffer.getvalue())
    state = load_model(path, "pt")
    path.write_bytes(b"")  # tensors must not be mapped onto the file
    assert same(state, model.state_dict())
