"""A project's name is one folder inside project_dir, whatever is tried."""

from __future__ import annotations

import datetime
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chop.cli.checks import check_project
from chop.cli.options import Options
from chop.cli.project import default_project_name, locate_project
from chop.tools.errors import ConfigError

BAD = [
    "..", ".", "", " ", "../escaped", "a/../../b", "/etc", "/", "a/b", "a\\b", "..\\x", "\\\\host\\share",
    "C:", "C:x", "c:\\x", "a\0b", "\0", "a\nb", "a\x1b[0m", "nul", "CON", "con.txt", "lpt1", " a", "a ",
    "x" * 256, "é" * 200, "~/../..", "./a", "a/", "../", "....//", "..%2f/..", "a\u2028b",
]  # fmt: skip
GOOD = ["a", "jsc-toy", "..a", "a..b", "~", "é", "x" * 255, "console", "a b", "%2e%2e", "-x", "jsc.2026"]


@pytest.mark.parametrize("name", BAD)
def test_bad_names(tmp_path, name):
    with pytest.raises(
        ConfigError, match=r"^project must be the name of one folder inside project_dir, got "
    ) as caught:
        locate_project(str(tmp_path), name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", GOOD)
def test_good_names(tmp_path, name):
    project = locate_project(str(tmp_path), name)
    assert list(tmp_path.iterdir()) == []
    project.make()
    project.make()
    assert sorted(part.name for part in (tmp_path / name).iterdir()) == ["hardware", "software"]


@settings(max_examples=300)
@given(st.text(st.sampled_from("./\\~ab:\0\n é"), max_size=12))
def test_what_is_accepted_stays_inside(name):
    try:
        project = locate_project("/tmp/projects-of-nobody", name)
    except ConfigError:
        return
    assert str(project.root.resolve().parent) == "/tmp/projects-of-nobody"


@pytest.mark.parametrize("part", ["", "software", "hardware"])
def test_links_out_of_the_folder(tmp_path, part):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (inside / "p").mkdir(parents=True)
    link = inside / "p" / part if part else inside / "q"
    link.symlink_to(outside)
    with pytest.raises(ConfigError, match="links out of it"):
        locate_project(str(inside), "p" if part else "q")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("target", ["folder", "file", "nothing", "relative", "sibling", "itself", "chain"])
@pytest.mark.parametrize(
    "part",
    [
        "software/search_ckpts",
        "software/search_ckpts/study_journal.log",
        "software/search_ckpts/best.json",
        "software/training_ckpts/last.ckpt",
        "software/compare",
        "software/transform/graph_module.mz",
        "software/tensorboard",
        "hardware/rtl",
        "notes/deep/er/a",
    ],
)
def test_links_below_the_project(tmp_path, part, target):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "victim").write_text("mine")
    (inside / "sibling").mkdir(parents=True)
    link = inside / "p" / part
    link.parent.mkdir(parents=True)
    (link.parent / "chained").symlink_to(outside)
    places = {
        "folder": outside,
        "file": outside / "victim",
        "nothing": outside / "new",
        "relative": os.path.relpath(outside, link.parent),
        "sibling": inside / "sibling",
        "itself": link,
        "chain": "chained",
    }
    if target != "chain":
        (link.parent / "chained").unlink()
    link.symlink_to(places[target])
    with pytest.raises(ConfigError, match="links out of it, to") as caught:
        locate_project(str(inside), "p")
    assert str(inside / "p") in str(caught.value) and "\n" not in str(caught.value)
    assert (outside / "victim").read_text() == "mine" and len(list(outside.iterdir())) == 1


def test_links_that_stay_inside_and_a_project_dir_that_is_a_link(tmp_path):
    real = tmp_path / "real"
    (real / "p" / "software" / "old").mkdir(parents=True)
    (real / "p" / "software" / "search_ckpts").symlink_to("old")
    (tmp_path / "link").symlink_to(real)
    locate_project(str(tmp_path / "link"), "p").make()
    locate_project(str(tmp_path / "link"), "q").make()
    assert (real / "q" / "software").is_dir()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "p").write_text("mine")
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        locate_project(str(tmp_path), "p")
    (tmp_path / "dir").write_text("mine")
    with pytest.raises(ConfigError, match="cannot write in"):
        locate_project(str(tmp_path / "dir"), "p")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot write in"):
        locate_project(str(tmp_path / "out"), "p")
    tmp_path.chmod(0o700)


def test_project_dir_with_nul():
    with pytest.raises(ConfigError, match="project_dir"):
        locate_project("a\0b", "p")


@pytest.mark.parametrize(
    ("model", "dataset", "name"),
    [
        ("jsc-tiny", "jsc", "jsc-tiny_cls_jsc_2026-11-21"),
        ("facebook/opt", "jsc", "facebook-opt_cls_jsc_2026-11-21"),
        ("jsc-tiny", "../data/x.npz", "jsc-tiny_cls_..-data-x.npz_2026-11-21"),
    ],
)
def test_default_name(tmp_path, model, dataset, name):
    today = datetime.date(2026, 11, 21)
    assert default_project_name(model, "cls", dataset, today) == name
    options = Options(model=model, dataset=dataset, task="cls", project_dir=str(tmp_path))
    assert check_project(options, today).root == tmp_path / name
