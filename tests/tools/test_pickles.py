"""Whatever can be loaded, no pickle in it is run: many gadgets, in many wrappings, given to every loader."""

from __future__ import annotations

import functools
import io
import logging
import operator
import os
import pickle
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chop.actions.study_report.sources import find_source
from chop.dataset import MaseDataModule
from chop.dataset.scaling import load_scaler
from chop.models import get_model
from chop.passes import load_mase_graph_interface_pass
from chop.tools.best_file import JOURNAL_NAME, load_best
from chop.tools.checkpoint_load import load_model, read_mz


class Gadget:
    """Is unpickled by a call."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> Any:
        return self.call, self.args


# Each leaves a file behind.
GADGETS: dict[str, Callable[[Path], Gadget]] = {
    "os.system": lambda m: Gadget(os.system, f"touch '{m}'"),
    "eval": lambda m: Gadget(eval, f"open({str(m)!r}, 'w').close()"),
    "exec": lambda m: Gadget(exec, f"open({str(m)!r}, 'w').close()"),
    "subprocess": lambda m: Gadget(subprocess.check_call, ["touch", str(m)]),
    "methodcaller": lambda m: Gadget(operator.methodcaller("touch"), m),
    "copyfile": lambda m: Gadget(shutil.copyfile, __file__, str(m)),
    "partial": lambda m: Gadget(functools.partial(open, str(m), "w")),
    "open": lambda m: Gadget(open, str(m), "w"),
    "mkdir": lambda m: Gadget(os.mkdir, str(m)),
    "runpy": lambda m: Gadget(runpy.run_path, str(m.with_suffix(".py"))),
    "log file": lambda m: Gadget(logging.FileHandler, str(m)),
    "nested": lambda m: Gadget(pickle.loads, pickle.dumps(Gadget(os.mkdir, str(m)))),
}
WITHIN: dict[str, Callable[[Any], Any]] = {
    "itself": lambda gadget: gadget,
    "state": lambda gadget: {"state_dict": {"model.a": torch.zeros(2), "model.b": gadget}},
    "list": lambda gadget: {"a": torch.zeros(2), "b": [gadget]},
    "metadata": lambda gadget: {
        "state_dict": {"model.a": torch.zeros(2)},
        "epoch": 3,
        "hyper_parameters": gadget,
    },
}


def by_torch(content: Any) -> bytes:
    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


def by_old_torch(content: Any) -> bytes:
    made = io.BytesIO()
    torch.save(content, made, _use_new_zipfile_serialization=False)
    return made.getvalue()


def as_array(content: Any) -> Any:
    found = np.empty(4, dtype=object)
    found[:] = [content] * 4
    return found


def by_npy(content: Any) -> bytes:
    made = io.BytesIO()
    np.save(made, as_array(content), allow_pickle=True)
    return made.getvalue()


def by_npz(content: Any) -> bytes:
    made = io.BytesIO()
    array = as_array(content)
    np.savez(made, x=array, y=array, mean=array, scale=array, x_train=array, y_train=array)
    return made.getvalue()


WRITERS: dict[str, Callable[[Any], bytes]] = {
    "torch": by_torch,
    "old torch": by_old_torch,
    "pickle": lambda content: pickle.dumps(content),
    "pickle 0": lambda content: pickle.dumps(content, protocol=0),
    "npy": by_npy,
    "npz": by_npz,
}


def load_folder(path: Path, name: str, load: Callable[[Path], Any]) -> None:
    folder = path.with_suffix(".d")
    folder.mkdir()
    shutil.copyfile(path, folder / name)
    try:
        load(folder)
    finally:
        shutil.rmtree(folder)


def load_data(path: Path, suffix: str) -> None:
    named = path.with_suffix(suffix)
    shutil.copyfile(path, named)
    MaseDataModule(str(named), 8).arrays("train")


LOADERS: dict[str, Callable[[Path], Any]] = {
    **{
        str(kind): functools.partial(lambda kind, path: load_model(path, kind, get_model("jsc-tiny")), kind)
        for kind in ("mz", "pt", "pl", None)
    },
    "bare pt": lambda path: load_model(path, "pt"),
    "read_mz": read_mz,
    "graph": lambda path: load_folder(
        path, "graph_module.mz", lambda folder: load_mase_graph_interface_pass(None, folder)
    ),
    "journal": lambda path: load_folder(path, JOURNAL_NAME, lambda folder: find_source(str(folder)).study.trials),
    "best": load_best,
    "scaler": load_scaler,
    **{suffix: functools.partial(lambda suffix, path: load_data(path, suffix), suffix)
       for suffix in (".npz", ".npy", ".h5", ".csv", ".arff", ".parquet")},
}  # fmt: skip


@pytest.mark.parametrize("gadget", GADGETS)
def test_no_loader_runs_it(gadget: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "file"
    marker.with_suffix(".py").write_text(f"open({str(marker)!r}, 'w').close()")
    payload, seen = GADGETS[gadget](marker), 0
    for within in WITHIN.values():
        for write in WRITERS.values():
            content = within(payload)
            path.write_bytes(write(content))
            assert not marker.exists()  # writing is no loading
            for name, load in LOADERS.items():
                with pytest.raises((ValueError, ImportError)):  # ImportError: no reader of that format here
                    load(path)
                assert not marker.exists(), name
                seen += 1
    assert seen == len(WITHIN) * len(WRITERS) * len(LOADERS) >= 300
    pickle.loads(pickle.dumps(payload))  # noqa: S301  it works, so the test can fail
    assert marker.exists()
