"""The pages under docs/: what they tell a reader to type runs, what they link to is there."""

from __future__ import annotations

import json
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


# One process imports torch and forks for each page, which sees nothing of the others.
RUN_PAGES = """
import contextlib, io, json, os, sys, traceback
import chop, chop.evaluator, chop.dataset, chop.models, chop.passes
failed = {}
for page, code in json.load(open("pages.json")).items():
    folder = os.path.join(os.getcwd(), page.replace("/", "-"))
    os.makedirs(folder)
    os.symlink(sys.argv[1], os.path.join(folder, "configs"))
    if (child := os.fork()) == 0:
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(code, page, "exec"), {"__name__": "__main__"})
        except BaseException:
            open("failed.txt", "w").write(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    if (status := os.waitpid(child, 0)[1]) != 0:
        path = os.path.join(folder, "failed.txt")
        failed[page] = open(path).read() if os.path.exists(path) else f"ended with status {status}"
print(json.dumps(failed))
"""


def run_pages(programs: dict[str, str], folder: Path) -> dict[str, str]:
    """Page -> traceback, of the pages whose program failed."""
    (folder / "pages.json").write_text(json.dumps(programs), encoding="utf-8")
    printed = run_python(RUN_PAGES, folder, str(REPO / "configs"), seconds=900)
    found: dict[str, str] = json.loads(printed.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    programs = {page: "\n\n".join(blocks(page, "python")) for page in PROGRAMS}
    return run_pages(programs, tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_a_page_is_one_program_that_runs(page: str, failures: dict[str, str]) -> None:
    assert failures.get(page, "") == ""


def test_a_program_that_fails_is_noticed(tmp_path: Path) -> None:
    found = run_pages(
        {"a.md": "x = 1\nassert x == 2", "b.md": "x = 1", "c.md": "assert 'x' not in dir()"}, tmp_path
    )
    assert list(found) == ["a.md"] and "AssertionError" in found["a.md"]


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
