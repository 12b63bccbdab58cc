"""``ch export``: from a best trial to files that are proven, and what it says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chop.cli.app import main
from tests.export.models import config

pytestmark = pytest.mark.usefixtures("quick_torch")


@pytest.fixture
def best(tmp_path: Path) -> Path:
    found = {
        str(i): {"number": number, "sampled_config": config((width, 3), (6, 4))}
        for i, (number, width) in enumerate(((4, 6), (9, 8)))
    }
    path = tmp_path / "best.json"
    path.write_text(json.dumps(found))
    return path


def run(*words: str) -> int:
    return main(["export", "jsc-tiny", "jsc-synth", "--pretrained", *words])


def test_a_trial_in_two_formats(best: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("--quantize", f"{best}#1", "--to", "integers,torch", "--out", str(out), "--rows", "500") == 0
    assert "500 of 500 rows equal bit for bit" in capsys.readouterr().out
    record = json.loads((out / "torch" / "export.json").read_text())
    assert record["equal"]
    assert record["config"]["linear"]["config"]["data_in_width"] == 8
    assert record["proofs"][0]["rows"] == 500
    assert record["certificate"]["layers"]
    assert set(record["sha256"]) == {"model.pt2"}
    assert (out / "integers" / "integers" / "net.json").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "onxn"], "did you mean 'onnx'"),
        ([], "--to NAME"),
        (["--to", "torch", "--rows", "0"], "--rows must be a whole number of 1 or more, got '0'"),
        (["--to", "torch", "--rows", "ten"], "got 'ten'"),
    ],
)
def test_mistakes(
    best: Path, words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("--quantize", str(best), "--out", str(out), *words) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_a_config_is_needed_and_a_folder(
    best: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--to", "torch") == 2
    assert "--quantize FILE" in capsys.readouterr().err
    assert run("--to", "torch", "--quantize", str(best), "--out", str(best)) == 2
    assert "must be a folder" in capsys.readouterr().err


def test_what_the_target_cannot_say(best: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps(config((20, 10), (4, 3))))
    assert run("--quantize", str(wide), "--to", "onnx", "--out", str(tmp_path / "out")) == 2
    assert "has 8 and 16 bits, not 20; --to onnx-arithmetic can" in capsys.readouterr().err


def test_unequal_ends_with_one_and_another_name(
    best: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chop.export import TARGETS

    kind = type(TARGETS["integers"])
    honest = kind.execute
    monkeypatch.setattr(
        kind, "execute", lambda self, path, x: {n: y * 2 for n, y in honest(self, path, x).items()}
    )
    out = tmp_path / "out"
    assert run("--quantize", str(best), "--to", "integers", "--out", str(out), "--rows", "50") == 1
    assert "computes something else" in capsys.readouterr().err
    assert sorted(p.name for p in out.iterdir()) == ["export.json", "integers.unequal"]
