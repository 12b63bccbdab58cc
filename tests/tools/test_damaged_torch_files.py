"""Files of torch.save with flipped bits, cut, and with zips that are not as torch writes them: never other content."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zipfile

import pytest
import torch

from chop.models import get_model
from chop.tools.checkpoint_load import load_model, save_mz
from chop.tools.errors import ConfigError
from chop.tools.torch_file import read_torch
from chop.tools.torch_zip import BrokenZip, check_zip


def payload_of(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


STATE = {"weight": torch.arange(12.0).reshape(3, 4), "empty": torch.zeros(0), "count": torch.tensor(3)}
WHOLE = {"state_dict": STATE, "epoch": 3, "text": "a" * 40, "nested": [1, {"x": (None, 2.5)}]}


def told(content):
    return repr([content, *(t.tolist() for t in content["state_dict"].values())])


def silently_other(payload, positions, stream, path):
    """How many flips are accepted with other content."""
    wanted, count = told(read_torch(payload, path)), 0
    for position in positions:
        altered = bytearray(payload)
        altered[position] ^= 1 << stream.randrange(8)
        try:
            count += told(read_torch(bytes(altered), path)) != wanted
        except ConfigError as error:
            assert str(path) in str(error) and "\n" not in str(error)
    return count


def test_flipped_bits_never_give_other_content(tmp_path):
    payload, stream = payload_of(WHOLE), random.Random(0)
    positions = [stream.randrange(len(payload)) for _ in range(1000)]
    assert silently_other(payload, positions, stream, tmp_path / "a.ckpt") == 0


def test_every_byte_of_the_directory(tmp_path):
    payload, stream = payload_of(WHOLE), random.Random(1)
    begin = payload.index(b"PK\1\2")
    assert silently_other(payload, range(begin, len(payload)), stream, tmp_path / "a.ckpt") == 0


@pytest.mark.soak
def test_every_bit_of_every_byte(tmp_path):
    payload = payload_of(WHOLE)
    for bit in range(8):

        class Bit:
            randrange = staticmethod(lambda _, bit=bit: bit)

        assert silently_other(payload, range(len(payload)), Bit, tmp_path / "a.ckpt") == 0


def test_every_cut_and_every_addition_is_told():
    payload = payload_of(WHOLE)
    assert "archive/data.pkl" in check_zip(payload)
    others = [payload[:size] for size in range(0, len(payload), 7)]
    others += [payload + b"\0", payload + payload, b"\0" + payload, payload[:-1], payload[1:]]
    for other in others:
        with pytest.raises(BrokenZip):
            check_zip(other)


def zipped(parts, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, data in parts:
            file.writestr(name, data)
    return buffer.getvalue()


def test_other_zips():
    parts = [("a/data.pkl", b"x" * 50), ("a/version", b"3")]
    assert check_zip(zipped(parts)) == ["a/data.pkl", "a/version"]
    with pytest.raises(BrokenZip, match="compressed"):
        check_zip(zipped(parts, compression=zipfile.ZIP_DEFLATED))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped([*parts, ("a/version", b"4")])
    with pytest.raises(BrokenZip, match="two of its parts have one name"):
        check_zip(twice)
    good = zipped(parts)
    with pytest.raises(BrokenZip, match="damaged"):
        check_zip(good[:-2] + struct.pack("<H", 3) + b"abc")  # a comment, in which another end may hide
    renamed = good.replace(b"a/version", b"a/versiom", 1)
    with pytest.raises(BrokenZip, match="two names"):
        check_zip(renamed)
    central = good.index(b"PK\1\2")
    overlapping = bytearray(good)
    second = good.index(b"PK\1\2", central + 1)
    overlapping[second + 42 : second + 46] = bytes(4)  # both parts at the beginning
    with pytest.raises(BrokenZip, match="overlap or leave a gap"):
        check_zip(bytes(overlapping))


def test_the_message_names_the_part(tmp_path):
    path = tmp_path / "a.pt"
    payload = bytearray(payload_of(STATE))
    payload[payload.index(STATE["weight"].numpy().tobytes()) + 5] ^= 1
    path.write_bytes(payload)
    with pytest.raises(
        ConfigError, match=r"a\.pt is truncated or altered: the CRC-32 of the part 'archive/data/0'"
    ):
        load_model(path, "pt")


def test_a_sum_beside_the_file_is_checked(tmp_path):
    model = get_model("jsc-tiny")
    for path in (tmp_path / "a.pt", tmp_path / "a.mz"):
        beside = path.with_name(f"{path.name}.sha256")
        save_mz(model, path) if path.suffix == ".mz" else torch.save(model.state_dict(), path)
        beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
        load_model(path, None, model)
        beside.write_text("0" * 64 + f" *{path.name}\n")
        with pytest.raises(ConfigError, match=rf"its SHA-256 is not that of {path.name}\.sha256"):
            load_model(path, None, model)
        beside.write_text("hello")
        with pytest.raises(ConfigError, match="holds no SHA-256"):
            load_model(path, None, model)


def test_files_without_sums_are_read_with_a_warning(tmp_path, caplog):
    from safetensors.torch import save_file

    model, fresh = get_model("jsc-tiny", pretrained=True), get_model("jsc-tiny")
    torch.save(model.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(model.state_dict(), tmp_path / "plain.safetensors")
    for name in ("old.pt", "plain.safetensors"):
        caplog.clear()
        load_model(tmp_path / name, None, fresh)
        assert "has no checksums" in caplog.text
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
