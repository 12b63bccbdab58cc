"""An unusable torch, or a build that is not there, is one ImportError that says what to do."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from chop._core import loading

# Every minor version before the stable ABI, in the spellings of wheels, nightlies and builds of one's own.
_OLD = [
    f"{minor}{spelling}"
    for minor in (*(f"1.{n}" for n in range(14)), *(f"2.{n}" for n in range(11)))
    for spelling in (".0", ".1+cu118", ".0.dev20240101", ".0a0+git1234", ".2+cpu", ".0rc1")
]


@pytest.mark.parametrize("version", _OLD)
def test_an_old_torch_is_refused_with_both_versions(version: str) -> None:
    with pytest.raises(ImportError) as error:
        loading.require_torch(version)
    assert version in str(error.value) and "2.11" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "version",
    [
        "2.11.0",
        "2.11.1+cu130",
        "2.12.0.dev20260101",
        "2.13.0+cpu",
        "2.100.0",
        "3.0.0a0+git1234",
        torch.__version__,
    ],
)
def test_newer_torches_are_taken(version: str) -> None:
    loading.require_torch(version)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"operator library is missing \(torch .*pip install"):
        loading.load_operators()


def test_a_library_that_does_not_load_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    broken = tmp_path / "_ops.so"
    broken.write_bytes(b"\x7fELF nothing")
    spec = importlib.util.spec_from_file_location("chop._ops", broken, loader=object())  # type: ignore[arg-type]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ImportError, match=r"do not load under torch .*reinstall chop") as error:
        loading.load_operators()
    assert "\n" not in str(error.value)
