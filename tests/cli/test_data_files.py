"""Data files on the command line: another SHA-256, small files that unpack to much, labels and cut tables."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

from chop.dataset.physical.jsc_columns import FEATURES

QUICK = ("--accelerator", "cpu", "--cpu", "0", "--max-epochs", "1", "--max-steps", "1", "--project", "p")


@pytest.fixture
def data(small_data, tmp_path):
    shutil.copy(small_data, tmp_path / "d.npz")
    return tmp_path / "d.npz"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("where", ["option", "config", "sidecar"])
def test_the_sum_of_a_data_file(ch, data, tmp_path, where):
    def words(hexadecimal):
        if where == "option":
            return ["--data-sha256", hexadecimal]
        if where == "sidecar":
            (tmp_path / "d.npz.sha256").write_text(f"{hexadecimal}  d.npz\n")
            return []
        (tmp_path / "c.toml").write_text(f'data_sha256 = "{hexadecimal}"\n')
        return ["--config", "c.toml"]

    ch("train", "jsc-tiny", "d.npz", *QUICK, *words("0" * 64)).is_refused("d.npz", digest(data), "0" * 64)
    assert ch("train", "jsc-tiny", "d.npz", *QUICK, *words(digest(data))).code == 0


def test_eval_compares_it_too(ch, data):
    ch("eval", "jsc-tiny", "d.npz", "--data-sha256", "1" * 64).is_refused("d.npz", "1" * 64)


@pytest.mark.parametrize("text", ["12", "x" * 64, "0" * 65])
def test_what_is_no_sum(ch, data, text):
    ch("train", "jsc-tiny", "d.npz", *QUICK, "--data-sha256", text).is_refused("--data-sha256")


def test_a_data_set_without_a_file_has_no_sum(ch):
    ch("train", "jsc-tiny", "jsc-synth", *QUICK, "--data-sha256", "0" * 64).is_refused(
        "data_sha256", "reads 0"
    )


def test_a_file_that_unpacks_to_far_more(ch, tmp_path):
    np.savez_compressed(tmp_path / "b.npz", x=np.zeros((400_000, 16), np.float32), y=np.arange(400_000) % 5)
    words = ("train", "jsc-tiny", "b.npz", *QUICK)
    ch(*words).is_refused("b.npz", "--max-unpacked-mb")
    ch(*words, "--max-unpacked-mb", "0").is_refused("--max-unpacked-mb")
    assert ch(*words, "--max-unpacked-mb", "40").code == 0


@pytest.mark.parametrize("label", [2**40, 10**8, 70_000, 400, -1, 0.5])
def test_labels_that_are_no_classes(ch, tmp_path, label):
    y = (np.arange(50) % 5).astype(type(label))
    y[3] = label
    np.savez(tmp_path / "l.npz", x=np.zeros((50, 16), np.float32), y=y)
    ch("train", "jsc-tiny", "l.npz", *QUICK).is_refused("l.npz", "y[3] is")


def test_a_cut_table(ch, tmp_path):
    rows = "".join(",".join(["0.5"] * 16 + ["gqtwz"[i % 5]]) + "\n" for i in range(20))
    (tmp_path / "c.csv").write_text(",".join([*FEATURES, "class"]) + "\n" + rows + "0.5,0.5")
    ch("train", "jsc-tiny", "jsc", "--data-file", "c.csv", *QUICK).is_refused("c.csv", "row 20 has no label")
