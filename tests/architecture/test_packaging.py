"""The distribution: its name is ours alone, its version has one home, and no hint sends a reader elsewhere."""

from __future__ import annotations

import re
import subprocess
import tomllib

from chop import __version__
from chop.tools.extras import EXTRAS, how_to_install
from tests.architecture.source_tree import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
# A distribution called chop is somebody else's: `pip install chop[...]` would bring that one.
STRANGER = re.compile(r"(?<![\w.-])chop\[\w|pip install (?:-\S+ )*['\"]?chop(?![\w-])")
HERE = "tests/architecture/test_packaging.py"


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True)
    if done.returncode == 0:
        return [name for name in done.stdout.split("\0") if name]
    return [p.relative_to(REPO).as_posix() for p in REPO.rglob("*") if p.is_file()]  # an unpacked sdist


def test_no_text_names_the_strangers_distribution():
    found = []
    for name in tracked():
        path = REPO / name
        if name == HERE or not path.is_file() or path.is_symlink():
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{name}: {m[0]}" for m in STRANGER.finditer(text)]
    assert found == []


def test_the_pattern_sees_what_it_must():
    for text in (
        "pip install 'chop[train]'",
        "the extra `chop[dist]`",
        "pip install -U chop",
        '"chop[data]"',
    ):
        assert STRANGER.search(text), text
    for text in ("pip install '.[train]'", "chop-lab[train]", "pip install chop-lab", "torch.ops.chop[0]"):
        assert not STRANGER.search(text), text


def test_names_of_distribution_import_and_command():
    assert PROJECT["project"]["name"] == "chop-lab"
    assert PROJECT["project"]["scripts"] == {"ch": "chop.cli.app:main"}
    assert PROJECT["tool"]["scikit-build"]["wheel"]["packages"] == ["python/chop"]
    own = [entry for names in PROJECT["project"]["optional-dependencies"].values() for entry in names]
    own = [entry for entry in own if entry.startswith("chop")]
    assert own and all(re.fullmatch(r"chop-lab\[[a-z,]+\]", entry) for entry in own)


def test_the_version_has_one_home():
    version = PROJECT["project"]["version"]
    assert __version__ == version  # which the core got from there when it was built
    cited = re.findall(r"^version: *(\S+)$", (REPO / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited == [version]


def test_every_hint_names_libraries():
    for extra, names in EXTRAS.items():
        hint = how_to_install(extra)
        assert hint.startswith("pip install ") and "chop" not in hint
        assert [re.split(r"\[", word.strip("'"))[0] for word in hint.split()[2:]] == list(names)
