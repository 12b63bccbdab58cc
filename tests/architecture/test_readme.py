"""What the README tells a reader to type works, and is what the checks run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from chop.cli.commands import COMMANDS as COMMANDS_OF_CH
from chop.cli.commands import command_parser
from chop.cli.options import ACTIONS
from chop.cli.parser import build_parser
from tests.architecture.markdown import blocks, ch_commands, run_python
from tests.architecture.source_tree import REPO

COMMANDS = [
    "pip install . torch==2.13.0 && ch search --config configs/examples/jsc_search.toml --strategy exhaustive\n",
    "pip install '.[test]' torch==2.13.0 && pytest\n",
]
PAGES = ["README.md", "python/chop/models/weights/README.md"]


def test_the_first_two_blocks_are_the_two_commands() -> None:
    assert blocks("README.md", r"\w*")[:2] == COMMANDS
    assert blocks("README.md", "sh")[:2] == COMMANDS


def test_ci_reads_its_commands_from_the_readme() -> None:
    script = REPO / ".ci" / "run"
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert "pip install '.[test]'" not in text and "pip install ." not in text and "ch search" not in text
    start, end = text.index("readme_command()"), text.index("\n}\n") + 3
    for number, command in enumerate(COMMANDS, 1):
        shell = f"{text[start:end]}readme_command {number}"
        done = subprocess.run(["bash", "-c", shell], cwd=REPO, capture_output=True, text=True, check=True)
        assert done.stdout == command


def test_python_examples_run(tmp_path: Path) -> None:
    example, objective = blocks("README.md", "python")
    check = """
values = sorted(tuple(trial.values) for trial in study.best_trials)
print(len(study.trials), values[-1][0] > 0.7 > values[0][0])
x0 = x[:500]
print(bool((mg.model.eval()(x0) == ev.forward(config)[:500]).all()), ev.certificate(config).exact_on_data)
"""
    printed = run_python(example + objective + check, tmp_path).splitlines()
    exact, quantized = map(float, printed[0].split())
    assert 0.7 < quantized < exact < 0.8
    assert printed[1:] == ["50 True", "True True"]


def test_python_examples_are_short() -> None:
    example, objective = blocks("README.md", "python")
    assert len([line for line in example.splitlines() if line]) <= 10
    body = objective[objective.index("def ") : objective.index("\n\nstudy")]
    assert len(body.splitlines()) <= 5 and "ev.evaluate(" in body


@pytest.mark.parametrize("page", PAGES)
def test_ch_commands_are_understood(page: str) -> None:
    commands = ch_commands(page)
    assert commands
    for arguments in commands:
        if arguments[0] in COMMANDS_OF_CH:
            command_parser(arguments[0]).parse_intermixed_args(arguments[1:])
        else:
            assert build_parser().parse_args(arguments).action in ACTIONS
        for config in (a for a in arguments if a.endswith(".toml")):
            assert (REPO / config).is_file(), config


def test_linked_pages_exist() -> None:
    text = (REPO / "README.md").read_text()
    for page in ("CONTRIBUTING.md", "DECISIONS.md", "CHANGELOG.md", "LICENSE", "docs/differences.md"):
        assert f"({page})" in text and (REPO / page).is_file()
    for target in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", text):
        assert (REPO / next(filter(None, target))).exists(), target
    assert "MIT License" in (REPO / "LICENSE").read_text()
    assert "the chop authors" in (REPO / "LICENSE").read_text()
