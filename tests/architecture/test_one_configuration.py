"""The page that follows one configuration from TOML to kernel names what is called, in that order."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType

import pytest

from chop.cli.app import main
from tests.architecture.source_tree import REPO

PAGE = REPO / "docs" / "explanation" / "one-configuration.md"
ROW = re.compile(r"^\| (\d+) \| `([^`]+)` \| `([^`]+)` \| .{40,} \|$", re.MULTILINE)


def steps() -> list[tuple[str, str]]:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [int(number) for number, _, _ in rows] == list(range(1, 11))
    return [(path, function) for _, path, function in rows]


def test_steps_in_python_are_called_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    example = (REPO / "configs/examples/jsc_search.toml").read_text(encoding="utf-8")
    config = tmp_path / "search.toml"
    config.write_text(
        example.replace("n_trials = 120", "n_trials = 2").replace("num_samples = 10000", "num_samples = 512")
    )
    named = [(path, function) for path, function in steps() if path.endswith(".py")]
    called: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/chop/" in frame.f_code.co_filename:
            _, _, inside = frame.f_code.co_filename.rpartition("/chop/")
            found = (f"python/chop/{inside}", frame.f_code.co_qualname)
            if found in named:
                called.append(found)

    words = ["search", "--config", str(config), "--project-dir", str(tmp_path), "--strategy", "random"]
    sys.setprofile(note)
    try:
        assert main(words) == 0
    finally:
        sys.setprofile(None)
    assert list(dict.fromkeys(called)) == named


def test_steps_in_cpp_are_defined_there() -> None:
    found = [(path, function) for path, function in steps() if not path.endswith(".py")]
    assert len(found) == 4
    for path, function in found:
        text = (REPO / path).read_text(encoding="utf-8")
        assert re.search(rf"^\S.*[ &*]{re.escape(function)}\(", text, re.MULTILINE), (path, function)
