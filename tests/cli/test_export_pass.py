"""``[passes.export]`` in ``ch transform``: the same proof as ``ch export``, and the same exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chop.cli.app import main
from chop.export import TARGETS

pytestmark = pytest.mark.usefixtures("quick_torch")
CONFIG = """
model = "jsc-tiny"
dataset = "jsc-synth"
task = "cls"
is_pretrained = true
accelerator = "cpu"
project_dir = "{folder}"
project = "one"

[passes.quantize]
by = "type"

[passes.quantize.default.config]
name = "NA"

[passes.quantize.linear.config]
name = "integer"
data_in_width = 8
data_in_frac_width = 4
weight_width = 6
weight_frac_width = 4

[passes.export]
{export}
"""


def transform(folder: Path, export: str, without: str = "") -> int:
    path = folder / "config.toml"
    text = CONFIG.format(folder=folder, export=export)
    path.write_text(
        text.replace("[passes.quantize.linear.config]", without or "[passes.quantize.linear.config]")
    )
    return main(["transform", "--config", str(path)])


def test_the_quantized_graph_is_exported_and_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert transform(tmp_path, 'to = ["integers", "torch"]\nrows = 300') == 0
    assert "300 of 300 rows equal bit for bit" in capsys.readouterr().out
    out = tmp_path / "one" / "software" / "transform" / "export"
    record = json.loads((out / "torch" / "export.json").read_text())
    assert record["equal"]
    assert record["proofs"][0]["rows"] == 300
    layers = [key for key in record["config"] if key.startswith("seq_blocks")]
    assert len(layers) == 1
    assert record["config"][layers[0]]["config"]["weight_width"] == 6
    assert (out / "integers" / "integers" / "net.json").is_file()


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert transform(tmp_path, f'to = ["torch"]\nrows = 20\nout = "{tmp_path / "mine"}"') == 0
    assert (tmp_path / "mine" / "model.pt2").is_file()


@pytest.mark.parametrize(
    ("export", "says"),
    [
        ("", "passes.export.to must list targets: cpp, "),
        ('to = ["onxn"]', "did you mean 'onnx'"),
        ('to = ["torch"]\nrows = 0', "passes.export.rows must be a whole number of 1 or more, got 0"),
        ('to = ["torch"]\nrows = true', "passes.export.rows must be a whole number of 1 or more, got True"),
        ('to = "torch"', "passes.export.to must be a list"),
        ('target = "torch"', "passes.export: unknown key 'target'"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, export: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert transform(tmp_path, export) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "one").exists()


def test_a_graph_without_formats_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transform(tmp_path, 'to = ["cpp"]\nrows = 20', without="[passes.quantize.conv1d.config]") == 2
    assert "export: no node of the graph is quantized" in capsys.readouterr().err


def test_what_is_not_equal_ends_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = type(TARGETS["torch"])
    honest = target.execute

    def broken(self: object, path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
        return {name: y + 1 for name, y in honest(self, path, x).items()}

    monkeypatch.setattr(target, "execute", broken)
    assert transform(tmp_path, 'to = ["torch"]\nrows = 20') == 1
    assert "model.pt2.unequal computes something else by up to 1" in capsys.readouterr().err
