"""The report in a real browser: no complaint, nothing that sticks out, words whole, texts apart, light and dark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chop.actions.study_report import report
from chop.cli.app import main
from tests.study_report.browser import BROWSER, looked_at

pytestmark = [pytest.mark.soak, pytest.mark.skipif(BROWSER is None, reason="no Chromium")]
STRATEGIES = ["optuna", "exhaustive"]


@pytest.fixture(scope="module", params=STRATEGIES)
def page(request: Any, tmp_path_factory: Any, repo_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    text = (repo_dir / "configs" / "examples" / "jsc_search.toml").read_text()
    if request.param == "exhaustive":
        text = re.sub(r'name = "optuna"', 'name = "exhaustive"', text)
        text = re.sub(r"(?m)^(n_trials|timeout|sampler) = .*\n", "", text)
    (folder / "search.toml").write_text(text.replace("n_trials = 120", "n_trials = 40"))
    words = ["--config", str(folder / "search.toml"), "--project-dir", str(folder), "--project", "p"]
    assert main(["search", *words]) == 0
    return report(folder / "p")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280, 2560])
def test_of_every_width_in_light_and_dark(page: Path, width: int, dark: bool, tmp_path: Path) -> None:
    found = looked_at(page, width, dark, tmp_path)
    assert found["width"] == width and found["svgs"] >= 3 and found["hints"] >= 3
    for what in ("wrong", "wide", "broken", "overlaps", "outside"):
        assert found[what] == [], (what, found[what])
    assert found["scroll"] <= width
    assert (luminance(found["back"]) < 0.1) is dark
    assert contrast(found["text"], found["back"]) > 7
    assert set(found["paper"]) == {found["back"]}
    for ink in found["ink"]:  # what has the paper's colour is the halo of a text
        assert ink in (found["back"], "none") or contrast(ink, found["back"]) > 4.5, ink


def luminance(colour: str) -> float:
    """As WCAG 2.2 defines it, of ``rgb(…)``."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
