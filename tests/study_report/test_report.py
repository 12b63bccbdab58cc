"""A study as one HTML file."""

from __future__ import annotations

import contextlib
import html
import re
import sqlite3
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest

from chop.actions.search.journal.study import JOURNAL_NAME
from chop.actions.study_report import report
from chop.actions.study_report.page import MOST_ROWS
from chop.cli.app import main
from chop.tools.errors import ConfigError
from tests.search.conftest import changed, choices, config, data_module, model, run  # noqa: F401


class Page(HTMLParser):
    """Tags, texts of the cells of the last table, and everything that could be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.hints: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag not in ("meta", "wbr"):
            self.open.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href", "data", "action")]
        self.ids += [value for key, value in attributes if key == "id"]
        if tag == "table":
            self.rows = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attributes: Any) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["title"] and "svg" in self.open:
            self.hints.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def project(run: Callable[..., Any], changed: Any, tmp_path: Path) -> Path:  # noqa: F811
    """A project's folder with a study of 20 trials."""
    run(changed({"strategy.setup.n_trials": 20}), tmp_path / "p" / "software" / "search_ckpts", seed=3)
    return tmp_path / "p"


def test_report_of_a_project(project: Path) -> None:
    journal = project / "software" / "search_ckpts" / JOURNAL_NAME
    before = journal.read_bytes()
    path = report(project)
    assert journal.read_bytes() == before
    assert path == project / "report" / "report.html"
    text = path.read_text()
    page = Page(text)
    # Nothing is fetched: pictures are in the file, and what they refer to is in them.
    assert page.sources and all(
        source.startswith("data:image/png;base64,") or source.removeprefix("#") in page.ids
        for source in page.sources
    )
    assert len(page.ids) == len(set(page.ids))
    assert "http://" not in text and "https://" not in text and not re.search(r"url\((?!#)", text)
    heading, pictures = re.findall(r"<h1>(.*?)</h1>", text), sorted(path.parent.glob("*.svg"))
    assert len(pictures) >= 4
    assert all(f"<!-- {html.unescape(heading[0])} -->" in each.read_text() for each in pictures)
    for words in (
        "<th>sampler</th><td>random</td>",
        "<th>seed</th><td>3</td>",
        "<th>optuna</th>",
        "<h2>Importance",
        "<th>measured on</th>",
        "<th>float model</th><td>",
        "<th>date</th><td>20",
    ):
        assert words in text, words
    assert re.search(r"<h1>\w+ on \w+</h1>", text)
    front = re.findall(r"<summary>trial (\d+):", text)
    assert page.hints and all(
        "trial" in hint and "seq_blocks_2 w" in hint and "bypass" not in hint for hint in page.hints
    )
    assert {number for hint in page.hints for number in re.findall(r"trial (\d+):", hint)} <= set(front)
    names = {each.name for each in path.parent.iterdir()}
    assert {"front.png", "front.svg", "parallel.png", "effects_accuracy.svg", "report.html"} <= names
    study = _study(journal)
    fresh = [trial for trial in study.trials if "repeat_of" not in trial.user_attrs]
    head, *rows = page.rows
    assert len(rows) == len(fresh)
    accuracy = head.index("accuracy")
    assert [row[accuracy] for row in rows] == [f"{trial.values[0]:.6g}" for trial in fresh]


def _study(journal: Path) -> Any:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    return optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage)


def test_configs_of_the_front_are_those_of_the_study(project: Path) -> None:
    import tomlkit

    from chop.tools.config_load import convert_none_to_str_na

    text = report(project).read_text()
    shown = [
        tomlkit.parse(html.unescape(block)).unwrap() for block in re.findall(r"<pre>(.*?)</pre>", text, re.S)
    ]
    journal = project / "software" / "search_ckpts" / JOURNAL_NAME
    best = [trial for trial in _study(journal).best_trials if "repeat_of" not in trial.user_attrs]
    wanted = [convert_none_to_str_na(trial.user_attrs["sampled_config"]) for trial in best]
    assert len(shown) == len(wanted) >= 1
    for config_shown in shown:
        assert config_shown["passes"]["quantize"] in wanted


def test_a_config_of_the_front_runs_as_it_was_copied(
    tmp_path: Path, repo_dir: Path, monkeypatch: Any
) -> None:
    text = (repo_dir / "configs" / "examples" / "jsc_search.toml").read_text()
    (tmp_path / "search.toml").write_text(text.replace("n_trials = 120", "n_trials = 4"))
    monkeypatch.chdir(tmp_path)
    assert main(["search", "--config", "search.toml", "--project", "p", "--split", "mase"]) == 0
    text = report("mase_output/p").read_text()
    assert "<h1>jsc-toy on jsc-synth</h1>" in text
    copied = html.unescape(re.findall(r"<pre>(.*?)</pre>", text, re.S)[0])
    for line in ('model = "jsc-toy"', 'dataset = "jsc-synth"', "is_pretrained = true", 'split = "mase"'):
        assert line in copied.splitlines()
    (tmp_path / "copied.toml").write_text(copied)
    assert main(["transform", "--config", "copied.toml", "--project", "t"]) == 0
    assert (tmp_path / "mase_output/t/software/transform").is_dir()


def test_everything_is_escaped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    study = optuna.create_study(storage=url, study_name="<script>alert(1)</script>")
    study.optimize(
        lambda trial: trial.suggest_float("<b>x</b>", 0, 1) + trial.suggest_int("n", 1, 3), n_trials=8
    )
    text = report(url, out=tmp_path / "r" / "own.html").read_text()
    Page(text)
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text and "<b>" not in text


def test_a_study_of_ones_own_and_many_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    study = optuna.create_study(storage=url, study_name="own", direction="maximize")
    distributions = {"n": optuna.distributions.IntDistribution(0, 5000)}
    study.add_trials(
        [
            optuna.trial.create_trial(params={"n": k}, distributions=distributions, value=k / 7)
            for k in range(MOST_ROWS + 50)
        ]
    )
    path = report(tmp_path / "s.db", out=tmp_path / "r.html")
    page = Page(path.read_text())
    assert len(page.rows) == MOST_ROWS + 1 and "of 1,050 results" in path.read_text()
    assert page.rows[1][1] == f"{(MOST_ROWS + 49) / 7:.6g}"


def test_the_newest_study_or_the_one_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    for name in ("first", "second"):
        optuna.create_study(storage=url, study_name=name).optimize(
            lambda t: t.suggest_float("x", 0, 1), n_trials=3
        )
    assert "<h1>second</h1>" in report(url, out=tmp_path / "a.html").read_text()
    assert "<h1>first</h1>" in report(url, "first", tmp_path / "b.html").read_text()
    with pytest.raises(
        ConfigError, match=r"no study 'frist' \(did you mean 'first'\?\); it has: first, second"
    ):
        report(url, "frist", tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()


def test_a_database_is_read_and_not_changed(tmp_path: Path) -> None:
    own, foreign = tmp_path / "own.db", tmp_path / "foreign.db"
    optuna.create_study(storage=f"sqlite:///{own}").optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    with contextlib.closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")
        connection.commit()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    report(own, out=tmp_path / "r" / "a.html")
    for place in (foreign, f"sqlite:///{foreign}"):
        with pytest.raises(ConfigError, match="holds no study"):
            report(place, out=tmp_path / "r" / "b.html")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_report_of_a_sweep(run: Any, changed: Any, tmp_path: Path, suffix: str) -> None:  # noqa: F811
    folder = tmp_path / "search_ckpts"
    run(changed({"strategy.name": "exhaustive", "strategy.setup": {"prune": False}}), folder)
    whole = report(folder, out=tmp_path / "whole.html").read_text()
    assert "<td>exhaustive" in whole and "<th>configurations</th><td>36</td>" in whole and "<pre>" in whole
    file = folder / f"sweep.{suffix}"
    if not file.exists():
        import numpy as np
        from pyarrow import parquet

        table = parquet.read_table(folder / "sweep.parquet")
        columns = {name: table[name].to_numpy() for name in table.column_names}
        np.savez(file, about=np.array(table.schema.metadata[b"chop.sweep"].decode()), **columns)
    text = report(file, out=tmp_path / "file.html").read_text()
    assert len(Page(text).rows) == 1 + 36 and "<pre>" not in text


@pytest.mark.parametrize("exhaustive", [False, True])
def test_what_breaks_a_constraint_is_in_no_front(
    run: Any,  # noqa: F811
    changed: Any,  # noqa: F811
    tmp_path: Path,
    exhaustive: bool,
) -> None:
    keys: dict[str, Any] = {
        "strategy.metrics": {"accuracy": {}, "loss": {}},
        "strategy.constraints": {"average_bitwidth": {"max": 4.0}},
        "strategy.setup": {"sampler": "brute-force", "n_trials": 36},
    }
    if exhaustive:
        keys |= {"strategy.name": "exhaustive", "strategy.setup": {}}
    result = run(changed(keys), tmp_path)
    text = report(tmp_path).read_text()
    shown = [int(number) for number in re.findall(r"<summary>trial (\d+):", text)]
    assert sorted(shown) == sorted(entry["number"] for entry in result.best)
    assert "Of those that keep the constraints" in text and "Crosses break a constraint" in text
    head, *rows = Page(text).rows
    kept = [row[head.index("feasible")] for row in rows]
    allowed = [trial for trial in result.study.trials if trial.constraints["average_bitwidth.max"] <= 0]
    assert kept.count("True") == len(allowed) and 0 < len(allowed) < len(rows)
    if not exhaustive:
        assert f"average_bitwidth.max: kept by {len(allowed)} of 36 results" in text
        return
    alone = report(sweep_file(tmp_path), out=tmp_path / "sweep.html").read_text()
    assert "<th>constraints</th><td>average_bitwidth.max = 4</td>" in alone
    assert "Crosses break a constraint" in alone
    assert "<th>average_bitwidth</th>" not in alone  # it was measured, not chosen


def sweep_file(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name in ("sweep.parquet", "sweep.npz"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pkl", b"\x80\x04}.", "is a pickle"),
        ("study", b"\x80\x04}.", "is a pickle"),
        ("a.toml", b"x = 1", "is no study"),
        ("a.npz", b"PK\x03\x04", "is no sweep"),
        ("a.parquet", b"PAR1", "is no sweep"),
        ("a.log", b'{"op_code": 99}\n', "is no Optuna journal"),
        ("a.json", b"{}\n", "is no Optuna journal"),
        ("empty", b"", "is no study"),
    ],
)
def test_what_is_no_study(tmp_path: Path, capsys: Any, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["report", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_folders_without_a_study(tmp_path: Path, capsys: Any) -> None:
    assert main(["report", str(tmp_path)]) == 2 and "there is no study" in capsys.readouterr().err
    old = tmp_path / "software" / "search_ckpts"
    old.mkdir(parents=True)
    (old / "study.pkl").write_bytes(b"\x80\x04}.")
    assert main(["report", str(tmp_path)]) == 2 and "is a pickle" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none")]) == 2 and "does not exist" in capsys.readouterr().err
    assert main(["report", "sqlite:///nowhere/x.db"]) == 2
    assert main(["report", str(tmp_path), "--out", "x.pdf"]) == 2


def test_command(project: Path, capsys: Any) -> None:
    assert main(["report", str(project), "--out", str(project / "r.html")]) == 0
    assert f"Report: {project / 'r.html'}, its pictures" in capsys.readouterr().out
