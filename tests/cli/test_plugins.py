"""--import: files and modules of a user, and every way in which they fail."""

from __future__ import annotations

import sys

import pytest

from chop.cli.plugins import import_plugins
from chop.tools.errors import ConfigError


@pytest.fixture(autouse=True)
def _restore(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_file_runs_once(tmp_path):
    (tmp_path / "mine.py").write_text("import itertools\nCOUNT = next(itertools.count())\nSEEN = []\n")
    first, second = import_plugins(["mine.py", str(tmp_path / "mine.py")])
    assert first is second
    assert first.SEEN == []


def test_a_file_may_import_its_neighbour(tmp_path):
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "neighbour_of_mine.py").write_text("VALUE = 3")
    (folder / "mine.py").write_text("from neighbour_of_mine import VALUE")
    assert import_plugins(["lab/mine.py"])[0].VALUE == 3


def test_a_file_may_be_called_like_a_standard_module(tmp_path):
    (tmp_path / "random.py").write_text("MINE = True")
    import random

    assert import_plugins(["random.py"])[0].MINE
    assert sys.modules["random"] is random


def test_a_module_of_the_working_folder(tmp_path):
    (tmp_path / "labpackage").mkdir()
    (tmp_path / "labpackage" / "__init__.py").write_text("")
    (tmp_path / "labpackage" / "models.py").write_text("VALUE = 4")
    assert import_plugins(["labpackage.models"])[0].VALUE == 4


def test_files_of_a_config_are_beside_it(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.py").write_text("WHERE = 'configs'")
    (tmp_path / "mine.py").write_text("WHERE = 'here'")
    (tmp_path / "other.py").write_text("WHERE = 'here'")
    modules = import_plugins(["mine.py", "other.py"], tmp_path / "configs")
    assert [module.WHERE for module in modules] == ["configs", "here"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\nraise RuntimeError('broken\\nbadly')",
            r"'mine.py' failed in line 2: RuntimeError: broken badly",
        ),
        ("x =", r"'mine.py' failed: SyntaxError"),
        (
            "import nowhere_to_be_found",
            r"failed in line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("raise SystemExit(3)", r"failed in line 1: SystemExit: 3"),
        (
            "from chop.registry import UnknownNameError\nraise UnknownNameError('no')",
            r"in line 2: UnknownNameError",
        ),
    ],
)
def test_a_file_that_fails(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    for _ in range(2):  # a failed import leaves nothing behind
        with pytest.raises(ConfigError, match=message) as caught:
            import_plugins(["mine.py"])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnie.py", r"no file 'mnie.py' \(did you mean 'mine.py'\?\)"),
        ("a\0.py", "no file"),
        ("no_such_module_at_all", r"no module 'no_such_module_at_all'"),
        ("json.nothing", r"no module 'json.nothing'"),
        ("not a module", "neither a file that ends in .py nor the name of a module"),
        ("folder/file.txt", "no file"),
        ("", "neither a file"),
    ],
)
def test_a_name_that_is_nothing(tmp_path, name, message):
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(ConfigError, match=message):
        import_plugins([name])


def test_ctrl_c_passes_through(tmp_path):
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        import_plugins(["mine.py"])


NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, num_features, num_classes):
        super().__init__(nn.Linear(num_features, 8), nn.ReLU(), nn.Linear(8, num_classes))


number = 3
"""


def test_a_model_of_a_file_needs_no_registration(ch, tmp_path, small_data):
    (tmp_path / "net.py").write_text(NET)
    words = ("--accelerator", "cpu", "--cpu=0", "--max-steps", 2, "--project", "p")
    for named in (("net.py:Net", small_data), (small_data, "--model", "net.py:Net")):
        done = ch("train", *named, *words)
        assert done.code == 0, done.err
    assert (tmp_path / "mase_output/p/software/training_ckpts/best.ckpt").is_file()
    (tmp_path / "sub").mkdir()
    (tmp_path / "net.py").rename(tmp_path / "sub/net.py")
    (tmp_path / "sub/a.toml").write_text('model = "net.py:Net"\n')  # from the file's own folder
    done = ch("train", "--config", "sub/a.toml", "--dataset", small_data, *words)
    assert done.code == 0, done.err


def test_a_file_without_that_model_is_refused(ch, tmp_path, small_data):
    (tmp_path / "net.py").write_text(NET)
    ch("train", "net.py:Nett", small_data).is_refused("net.py has no 'Nett'", "did you mean 'Net'")
    ch("train", "net.py:number", small_data).is_refused("must be a class or a function, got int")
    ch("train", "nett.py:Net", small_data).is_refused("no file 'nett.py'", "did you mean 'net.py'")
    ch("train", "jsc-tiny", small_data, "--model", "jsc-toy").is_refused("named twice")
