"""The ladder of the C++ core: a folder includes only folders below it; one folder knows torch, one Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import CPP, REPO, cpp_files, includes, name_of

# A folder may include itself and lower rungs. Folders on one rung do not know each other.
RUNG = {
    "core": 0,
    "kernels": 1,
    "ir": 2,
    "quantizers": 2,
    "statistics": 3,
    "cost": 3,
    "evaluator": 4,
    "search": 5,
    "trainer": 5,
    "bindings": 6,
    "ops": 6,
}
# The operators carry kernels and number formats and nothing above.
OPS_MAY_INCLUDE = {"core", "kernels", "quantizers", "ops"}
SLOW_TORCH_HEADERS = {"torch/extension.h", "torch/torch.h", "torch/all.h", "torch/library.h"}


def layer_of(path: Path) -> str:
    return path.relative_to(CPP).parts[0]


def may_include(layer: str, other: str) -> bool:
    if layer == "ops":
        return other in OPS_MAY_INCLUDE
    return layer == other or RUNG[other] < RUNG[layer]


def test_every_folder_has_a_rung() -> None:
    found = {layer_of(path) for path in cpp_files()}
    assert found <= RUNG.keys(), f"no rung on the ladder for {sorted(found - RUNG.keys())}"
    assert {"core", "kernels", "ir", "evaluator", "bindings", "ops"} <= found


def test_includes_point_down_the_ladder() -> None:
    seen, wrong = 0, []
    for path in cpp_files():
        for line, target in includes(path):
            if (inside := re.match(r"chop/(\w+)/", target)) is None:
                continue
            seen += 1
            if not may_include(layer_of(path), inside[1]):
                wrong.append(f"{name_of(path)}:{line} includes {target}")
    assert not wrong, "\n".join(wrong)
    assert seen > 50


@pytest.mark.parametrize(
    ("layer", "other", "allowed"),
    [
        ("core", "kernels", False),
        ("kernels", "core", True),
        ("ir", "quantizers", False),
        ("quantizers", "cost", False),
        ("evaluator", "quantizers", True),
        ("ops", "ir", False),
        ("bindings", "ops", False),
    ],
)
def test_the_ladder_itself(layer: str, other: str, allowed: bool) -> None:
    assert may_include(layer, other) is allowed


def test_quoted_includes_name_their_layer() -> None:
    # A relative include would slip past the ladder.
    wrong = [
        f"{name_of(path)}:{n} {line.strip()}"
        for path in cpp_files()
        for n, line in enumerate(path.read_text().splitlines(), 1)
        if re.match(r'\s*#\s*include\s*"(?!chop/)', line)
    ]
    assert not wrong, "\n".join(wrong)


def test_python_and_torch_stay_in_their_folders() -> None:
    wrong = []
    for path in cpp_files("tests/cpp"):
        layer = layer_of(path) if path.is_relative_to(CPP) else "tests"
        for line, target in includes(path):
            python = target.startswith("pybind11/") or target == "Python.h"
            torch = target.startswith(("torch/", "ATen/", "c10/"))
            if (python and layer != "bindings") or (torch and layer != "ops"):
                wrong.append(f"{name_of(path)}:{line} includes {target}")
            if torch and not target.startswith(("torch/csrc/stable/", "torch/headeronly/")):
                wrong.append(
                    f"{name_of(path)}:{line} includes {target}: only LibTorch's stable ABI is allowed"
                )
    assert not wrong, "\n".join(wrong)


def test_no_slow_torch_header() -> None:
    wrong = [name_of(p) for p in cpp_files("tests/cpp") for _, t in includes(p) if t in SLOW_TORCH_HEADERS]
    assert not wrong


def test_simd_sources_use_no_standard_library() -> None:
    # Its templates would become weak symbols with the code of one instruction set, chosen for everybody.
    wrong = [
        f"{name_of(path)}:{line} includes {target}"
        for path in cpp_files()
        if path.name.endswith(".simd.cpp") or path.suffix == ".inl"
        for line, target in includes(path)
        if not target.startswith("chop/kernels/") and target != "immintrin.h"  # intrinsics are no templates
    ]
    assert not wrong, "\n".join(wrong)
    assert len(list((CPP / "kernels").glob("*.simd.cpp"))) >= 3


def test_every_source_is_built() -> None:
    build = (REPO / "CMakeLists.txt").read_text() + "".join(
        path.read_text() for path in (REPO / "cpp" / "cmake").glob("*.cmake")
    )
    sources = [path.relative_to(CPP).as_posix() for path in cpp_files() if path.suffix == ".cpp"]
    forgotten = [source for source in sources if source not in build]
    assert not forgotten, f"not in any CMake target: {forgotten}"
