"""Objects compiled for one instruction set export tables, and no symbol that the linker could share out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO

ISAS = ("baseline", "avx2", "avx512", "amx")


def build_folders() -> list[Path]:
    """Build folders under build/ and in CHOP_BUILD_DIR, less the sanitized ones: those have other symbols."""
    named = [Path(p) for p in os.environ.get("CHOP_BUILD_DIR", "").split(os.pathsep) if p]
    found = [cache.parent for cache in sorted((REPO / "build").glob("**/CMakeCache.txt"))]
    return [
        f
        for f in named + found
        if not re.search(r"^CHOP_SANITIZE:\w+=.+$", (f / "CMakeCache.txt").read_text(), re.M)
    ]


@pytest.fixture(scope="module")
def objects() -> list[Path]:
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    found = [o for folder in build_folders() for o in folder.glob("CMakeFiles/chop_simd_*.dir/**/*.o")]
    if not found:
        pytest.skip("no build folder: pip install leaves one under build/, or set CHOP_BUILD_DIR")
    return found


def symbols(path: Path) -> list[tuple[str, str]]:
    """Kind letter and name of each symbol of an object file."""
    listing = subprocess.run(["nm", "-C", str(path)], capture_output=True, text=True, check=True).stdout
    return [
        (m[1], m[2])
        for line in listing.splitlines()
        if (m := re.match(r"^[0-9a-f ]*\s([A-Za-z]) (.+)$", line))
    ]


def test_no_weak_or_unique_symbols(objects: list[Path]) -> None:
    wrong = [f"{o.name}: {kind} {name}" for o in objects for kind, name in symbols(o) if kind in "WVwvu"]
    assert not wrong, "\n".join(wrong)


def test_only_tables_are_exported(objects: list[Path]) -> None:
    seen = set()
    for path in objects:
        isa = re.search(r"chop_simd_(\w+)\.dir", str(path))[1]  # type: ignore[index]
        exported = [name for kind, name in symbols(path) if kind.isupper() and kind != "U"]
        assert exported and all(re.fullmatch(rf"chop::{isa}::\w+", name) for name in exported), (
            path.name,
            exported,
        )
        seen.add(isa)
    assert "baseline" in seen and seen <= set(ISAS)


def test_what_they_need_is_no_template(objects: list[Path]) -> None:
    needed = {name for path in objects for kind, name in symbols(path) if kind == "U"}
    assert not [name for name in needed if name.startswith("std::") or "<" in name], needed
