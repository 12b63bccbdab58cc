"""Files that are no QONNX: cut off, overwritten in one region after the other, or of another program."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import sys
import tarfile
import wave
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save as safetensors

import chop
from chop.export import export
from chop.tools.errors import ConfigError
from tests.export.models import Sequences, config, rows, trained
from tests.qonnx.damage import outcome

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")
BREVITAS = Path(__file__).parent / "brevitas"
CUTS, REGIONS = 50, 60
NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    x, folder = rows(20, 16), tmp_path_factory.mktemp("foreign")
    made = {
        target: export(trained(Sequences(), x), config((6, 3), (6, 4)), target, folder / target, x=x).path
        for target in ("qonnx", "onnx", "onnx-arithmetic", "torch")
    }
    return {name: path.read_bytes() for name, path in made.items()} | {
        "brevitas": (BREVITAS / "residual.onnx").read_bytes()
    }


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        chop.load_qonnx(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < 400, text
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", ["qonnx", "brevitas"])
def test_cut_off_anywhere(files: dict[str, bytes], name: str, tmp_path: Path) -> None:
    whole, path = files[name], tmp_path / "net.onnx"
    for length in np.linspace(0, len(whole) - 1, CUTS).astype(int).tolist():
        path.write_bytes(whole[:length])
        assert refusal(path)


@pytest.mark.parametrize("name", ["qonnx", "brevitas"])
@pytest.mark.parametrize("filling", ["zeros", "ones", "text", "noise", "gone"])
def test_overwritten_anywhere(files: dict[str, bytes], name: str, filling: str, tmp_path: Path) -> None:
    """What is still read computes what qonnx computes."""
    whole, path, random = files[name], tmp_path / "net.onnx", np.random.default_rng(0)
    size, seen = -(-len(whole) // REGIONS), Counter[str]()
    fillings: dict[str, Callable[[], bytes]] = {
        "zeros": lambda: bytes(size),
        "ones": lambda: b"\xff" * size,
        "text": lambda: (b"not a model\n" * size)[:size],
        "noise": lambda: random.bytes(size),
        "gone": lambda: b"",
    }
    for start in range(0, len(whole), size):
        path.write_bytes(whole[:start] + fillings[filling]() + whole[start + size :])
        seen[outcome(path)] += 1
    assert seen["refused"] >= REGIONS // 3, seen


def _buffered(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _zip(buffer: io.BytesIO) -> None:
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.onnx", b"\x08\x0a")


def _tar(buffer: io.BytesIO) -> None:
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"), io.BytesIO())


def _h5(buffer: io.BytesIO) -> None:
    with h5py.File(buffer, "w") as file:
        file["weight"] = NUMBERS


def _sound(buffer: io.BytesIO) -> None:
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(200))


def _database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table trials (number integer)")
        return connection.serialize()


def _model(*nodes: object, opset: int = 21, domain: str = "") -> bytes:
    """An ONNX model of x [1, 3] -> y."""
    value = onnx.helper.make_tensor_value_info
    ends = value("x", onnx.TensorProto.FLOAT, [1, 3]), value("y", onnx.TensorProto.FLOAT, [1, 3])
    graph = onnx.helper.make_graph(list(nodes), "g", [ends[0]], [ends[1]])
    opsets = [onnx.helper.make_opsetid(domain, opset)]
    made: bytes = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return made


def foreign(files: dict[str, bytes]) -> dict[str, bytes]:
    node, text = onnx.helper.make_node, "layer: linear\n" * 20
    state = {"weight": torch.from_numpy(NUMBERS)}
    return {
        "empty": b"",
        "one byte": b"\x08",
        "zeros": bytes(1 << 16),
        "ones": b"\xff" * 5000,
        "text": text.encode(),
        "text in 16 bits": text.encode("utf-16"),
        "latin text": "Größe\n".encode("latin-1") * 9,
        "json": json.dumps({"0": {"sampled_config": {}}}).encode(),
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "large file pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
        "csv": b"a,b\n1,2\n" * 50,
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
        "program": Path(sys.executable).read_bytes()[:200_000],
        "bytecode": compile("a = 1", "a.py", "exec").co_code,
        "pickle": pickle.dumps({"weight": NUMBERS}),
        "npy": _buffered(lambda b: np.save(b, NUMBERS)),
        "npz": _buffered(lambda b: np.savez(b, weight=NUMBERS)),
        "zip": _buffered(_zip),
        "tar": _buffered(_tar),
        "gzip of a good file": gzip.compress(files["qonnx"]),
        "hdf5": _buffered(_h5),
        "png": _buffered(lambda b: Image.new("RGB", (9, 9)).save(b, "PNG")),
        "jpeg": _buffered(lambda b: Image.new("RGB", (9, 9)).save(b, "JPEG")),
        "wav": _buffered(_sound),
        "database": _database(),
        "safetensors": safetensors({"weight": NUMBERS}),
        "torch state": _buffered(lambda b: torch.save(state, b)),
        "torch program": files["torch"],
        "onnx, quantize and dequantize": files["onnx"],
        "onnx, arithmetic": files["onnx-arithmetic"],
        "onnx of one node": _model(node("Relu", ["x"], ["y"])),
        "onnx without nodes": _model(),
        "onnx of another domain": _model(
            node("Relu", ["x"], ["y"], domain="com.example"), domain="com.example"
        ),
        "an old opset": _model(node("Relu", ["x"], ["y"]), opset=7),
        "a tensor": onnx.numpy_helper.from_array(NUMBERS, "w").SerializeToString(),
        "a node": node("Relu", ["x"], ["y"]).SerializeToString(),
        "a graph without its model": onnx.load_model_from_string(files["qonnx"]).graph.SerializeToString(),
        "a model without a graph": onnx.ModelProto(ir_version=10).SerializeToString(),
    }


def test_files_of_other_programs(files: dict[str, bytes], tmp_path: Path) -> None:
    others = foreign(files)
    assert len(others) >= 30
    for name, content in others.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        assert len(refusal(path)) > 10, name


def test_places_that_are_no_files(tmp_path: Path) -> None:
    loop = tmp_path / "loop.onnx"
    loop.symlink_to(loop)
    assert "symbolic links" in refusal(loop)
    assert refusal(tmp_path) == "Is a directory"
    assert refusal(tmp_path / "absent.onnx") == "No such file or directory"
    assert refusal(tmp_path / "a" / "b.onnx") == "No such file or directory"
