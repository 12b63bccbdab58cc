"""The jsc loader on every layout that people have, found by name, and what it refuses."""

import http.server
import shutil
import threading

import h5py
import numpy as np
import pandas as pd
import pooch
import pytest

from chop.dataset import MaseDataModule
from chop.dataset.physical import jsc_files
from chop.dataset.physical.jsc_columns import CLASSES, FEATURES
from chop.tools.errors import ConfigError

CERNBOX_FILE = "processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth.z"
OPENML = "hls4ml_lhc_jets_hlf"
FIXTURE = "jsc-1000-cernbox-layout.h5"


@pytest.fixture(scope="module")
def table(shared_dir):
    """1000 real jets as a frame: 16 features in physical units and the column class."""
    return pd.read_csv(shared_dir / "data" / "jsc-openml-1000.csv")


@pytest.fixture(scope="module")
def expected(table):
    """Features and labels g q t w z, read without the loader."""
    return table[list(FEATURES)].to_numpy(), table["class"].map(CLASSES.index).to_numpy()


RETRIEVE = pooch.retrieve


@pytest.fixture
def with_network(monkeypatch, no_network):
    """Give pooch back; the tests that ask for it serve their own files."""
    monkeypatch.setattr("pooch.retrieve", RETRIEVE)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise ConnectionError("no network in tests")

    monkeypatch.setattr("pooch.retrieve", refuse)
    monkeypatch.setattr(jsc_files, "cache_folder", lambda: tmp_path / "empty-cache")
    monkeypatch.delenv("CHOP_DATA_DIR", raising=False)


@pytest.fixture
def unit_scaler(tmp_path):
    """A scaler that changes nothing, so that features can be compared with the file's."""
    path = tmp_path / "unit.npz"
    np.savez(path, mean=np.zeros(16), scale=np.ones(16))
    return path


def all_rows(**options):
    return [a.numpy() for a in MaseDataModule("jsc", 256, split="all", **options).arrays("test")]


def write_layout(kind, table, folder):
    """Write the jets in one published layout under its published name."""
    path = folder / f"{OPENML}.{kind.split('-')[0]}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "csv-j":
        hot = pd.get_dummies(table["class"], dtype=float)[list("gqwzt")]
        frame = pd.concat([table[list(FEATURES)], hot], axis=1)
        frame.sample(frac=1, axis=1, random_state=1).add_prefix("j_").to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "parquet-codes":
        frame = table.drop(columns="class").assign(jet_type=table["class"].astype("category").cat.codes)
        frame.to_parquet(path)
    elif kind == "arff":
        lines = [f"@ATTRIBUTE {name} REAL" for name in FEATURES] + ["@ATTRIBUTE class {g, q, t, w, z}"]
        text = "\n".join(["% jets", "@RELATION jets", *lines, "@DATA", ""])
        path.write_text(text + table.to_csv(index=False, header=False))
    elif kind == "npz":
        np.savez(path, x=table[list(FEATURES)], y=table["class"].map(CLASSES.index))
    elif kind == "npz-columns":
        np.savez(path, **{f"j_{n}": table[n] for n in FEATURES}, **{"class": table["class"].to_numpy(str)})
    return path


KINDS = ("csv", "csv-j", "parquet", "parquet-codes", "arff", "npz", "npz-columns")


@pytest.mark.parametrize("kind", KINDS)
def test_openml_layouts_give_the_same_jets(kind, table, expected, tmp_path, unit_scaler):
    if kind.startswith("parquet"):
        pytest.importorskip("pyarrow")
    write_layout(kind, table, tmp_path)
    data = MaseDataModule("jsc", 256, split="all", data_dir=tmp_path, scaler=unit_scaler)
    x, y = data.arrays("test")
    np.testing.assert_allclose(x, expected[0], rtol=1e-6)
    np.testing.assert_array_equal(y, expected[1])
    assert "OpenML" in data.describe() and "class order g q t w z" in data.describe()


def test_cernbox_file_by_its_name_in_the_environment(
    shared_dir, expected, tmp_path, unit_scaler, monkeypatch
):
    shutil.copyfile(shared_dir / "data" / FIXTURE, tmp_path / CERNBOX_FILE)
    monkeypatch.setenv("CHOP_DATA_DIR", str(tmp_path))
    data = MaseDataModule("jsc", 256, split="all", scaler=unit_scaler)
    x, y = data.arrays("test")
    np.testing.assert_allclose(x, expected[0], rtol=1e-6)
    # MASE's order g q w z t is the default of this file.
    np.testing.assert_array_equal(y, np.array([0, 1, 4, 2, 3])[expected[1]])
    assert "CERNBox" in data.describe() and "class order g q w z t" in data.describe()


def test_npz_with_its_own_class_and_column_order(table, expected, tmp_path, unit_scaler):
    names = list(FEATURES)[::-1]
    labels = table["class"].map("tzwqg".index)
    path = tmp_path / "mine.npz"
    np.savez(path, x=table[names], y=labels, classes=list("tzwqg"), feature_names=names)
    x, y = all_rows(data_file=path, scaler=unit_scaler)
    np.testing.assert_allclose(x, expected[0], rtol=1e-6)
    np.testing.assert_array_equal(y, expected[1])


def test_repeated_rows_of_the_cernbox_layout_are_dropped_in_order(shared_dir, tmp_path, unit_scaler):
    with h5py.File(shared_dir / "data" / FIXTURE) as file:
        rows = file["t_allpar_new"][:50]
    doubled = np.concatenate([rows[:10], rows[:10], rows])
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["t_allpar_new"] = doubled
    x, _ = all_rows(data_file=tmp_path / "d.h5", scaler=unit_scaler)
    frame = pd.DataFrame(doubled).drop_duplicates()
    assert len(frame) == 50
    np.testing.assert_array_equal(x, frame[[f"j_{n}" for n in FEATURES]].to_numpy())


def tutorial_set(folder, shared_dir):
    real = np.load(shared_dir / "data" / "jsc-openml-1000.npz")
    hot = np.eye(5, dtype=np.float32)[real["y"]]
    for part, rows in (("train_val", slice(0, 800)), ("test", slice(800, 1000))):
        np.save(folder / f"X_{part}.npy", real["x_std"][rows])
        np.save(folder / f"y_{part}.npy", hot[rows])
    np.save(
        folder / "classes.npy", np.array(list(CLASSES), dtype=object)
    )  # a pickle, as the tutorial writes it
    return real


def test_tutorial_files_keep_their_own_split(shared_dir, tmp_path, unit_scaler):
    real = tutorial_set(tmp_path, shared_dir)
    data = MaseDataModule("jsc", 256, data_dir=tmp_path, scaler=unit_scaler)
    np.testing.assert_array_equal(data.arrays("test")[0], real["x_std"][800:])
    np.testing.assert_array_equal(data.arrays("val")[0], real["x_std"][600:800])
    np.testing.assert_array_equal(data.arrays("train")[1], real["y"][:600])


def test_scaler_is_fitted_on_the_training_rows(table, tmp_path):
    write_layout("csv", table, tmp_path)
    data = MaseDataModule("jsc", 256, data_dir=tmp_path)
    x = data.arrays("train")[0].numpy().astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    assert abs(data.arrays("test")[0].numpy().mean(axis=0)).max() > 1e-3


def test_the_published_scaler_gives_the_published_values(shared_dir, tmp_path):
    folder = shared_dir / "data"
    x, _ = all_rows(data_file=folder / FIXTURE, scaler=folder / "jsc-openml-marginals.npz")
    np.testing.assert_allclose(x, np.load(folder / "jsc-openml-1000.npz")["x_std"], atol=2e-5)


def test_missing_files_are_listed_with_the_way_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        MaseDataModule("jsc", 256, data_dir=tmp_path).prepare_data()
    text = str(caught.value)
    for part in (
        CERNBOX_FILE,
        f"{OPENML}.csv",
        "X_train_val.npy",
        str(tmp_path),
        "--data-dir",
        "CHOP_DATA_DIR",
    ):
        assert part in text
    assert "jsc-synth" in text and "ConnectionError" in text and "\n" not in text


class Answer:
    """A file server on this machine that answers every request with the same bytes."""

    def __init__(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/download"

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def test_download_and_use(shared_dir, tmp_path, unit_scaler, expected, monkeypatch, with_network):
    with Answer((shared_dir / "data" / FIXTURE).read_bytes()) as url:
        monkeypatch.setattr(jsc_files, "CERNBOX_URL", url)
        data = MaseDataModule("jsc", 256, split="all", data_dir=tmp_path, scaler=unit_scaler)
        data.prepare_data()
    assert (tmp_path / CERNBOX_FILE).is_file()
    np.testing.assert_allclose(data.arrays("test")[0], expected[0], rtol=1e-6)


def test_a_login_page_is_not_a_data_file(tmp_path, monkeypatch, with_network):
    with Answer(b"<html>please log in</html>") as url:
        monkeypatch.setattr(jsc_files, "CERNBOX_URL", url)
        monkeypatch.setattr(jsc_files, "OPENML_URL", url)
        with pytest.raises(FileNotFoundError, match="the answer is not the data file"):
            MaseDataModule("jsc", 256, data_dir=tmp_path).prepare_data()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("order", ["gqtw", "gqtwx", "ggtwz", ""])
def test_class_order_must_be_a_permutation(order, table, tmp_path):
    write_layout("csv", table, tmp_path)
    if order == "":  # nothing typed: the default
        assert MaseDataModule("jsc", 256, data_dir=tmp_path, class_order=order or None).describe()
        return
    with pytest.raises(ConfigError, match="class_order must name g q t w z once each"):
        MaseDataModule("jsc", 256, data_dir=tmp_path, class_order=order).setup()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="zlogz"), "column zlogz"),
        (lambda t: t.rename(columns={"zlogz": "zlogs"}), "is missing; found 'zlogs'"),
        (lambda t: t.drop(columns="class"), "no label column"),
        (lambda t: t.assign(**{"class": "b"}), "label 'b' is neither"),
        (lambda t: t.assign(zlogz=np.nan), "column zlogz holds values that are not finite"),
        (lambda t: t.assign(zlogz="x"), "column zlogz must be one number"),
        (lambda t: t.head(0), "holds no rows"),
        (lambda t: t.head(3), "needs at least 5 rows"),
    ],
)
def test_bad_tables_are_one_clear_line(change, message, table, tmp_path):
    write_layout("csv", change(table), tmp_path)
    with pytest.raises(ConfigError) as caught:
        MaseDataModule("jsc", 256, data_dir=tmp_path).setup()
    assert message in str(caught.value) and "\n" not in str(caught.value)
