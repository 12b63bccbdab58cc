"""The pages under docs/: what they tell a reader to type runs, what they link to is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from chop.cli.commands import COMMANDS, command_parser
from chop.cli.options import ACTIONS
from chop.cli.parser import build_parser
from tests.architecture.markdown import blocks, ch_commands, run_python
from tests.architecture.source_tree import REPO

DOCS = REPO / "docs"
PAGES = sorted(p.relative_to(REPO).as_posix() for p in DOCS.rglob("*.md") if "_generated" not in p.parts)
PROGRAMS = [page for page in PAGES if blocks(page, "python")]


def test_pages_are_found() -> None:
    assert len(PAGES) > 15 and len(PROGRAMS) > 8


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_a_page_is_one_program_that_runs(page: str, tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(REPO / "configs")
    run_python("\n\n".join(blocks(page, "python")), tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_tables_of_a_page_are_understood(page: str) -> None:
    for arguments in ch_commands(page):
        if arguments[0] in COMMANDS:
            command_parser(arguments[0]).parse_intermixed_args(arguments[1:])
        else:
            assert build_parser().parse_intermixed_args(arguments).action in ACTIONS
    for block in blocks(page, "toml"):
        tomllib.loads(block)
    # A block in a language that no test knows would be a block that nobody runs.
    known = {"python", "sh", "toml", "text", ""}
    text = (REPO / page).read_text(encoding="utf-8")
    languages = re.findall(r"^```([^\n`]*)$", text, re.MULTILINE)
    assert {word for word in languages if not word.startswith("{")} <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = re.sub(
        r"^```.*?^```$", "", (REPO / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and "_generated" not in target:
            assert (REPO / page).parent.joinpath(target).exists(), target
