"""Where the jet tables are looked for, under the names they are published by, and where they come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chop.dataset.info import DataRequest
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

logger = get_logger(__name__)

CERNBOX_FILE = "processed-pythia82-lhc13-all-pt1-50k-r1_h022_e0175_t220_nonu_truth.z"
CERNBOX_URL = "https://cernbox.cern.ch/index.php/s/jvFd5MoWhGs1l5v/download"
OPENML_NAME = "hls4ml_lhc_jets_hlf"
OPENML_URL = "https://data.openml.org/datasets/0004/42468/dataset_42468.pq"
TUTORIAL_FILES = ("X_train_val.npy", "X_test.npy", "y_train_val.npy", "y_test.npy")
_OPENML_FILE = f"{OPENML_NAME}.parquet"
_OPENML_SUFFIXES = (".parquet", ".pq", ".csv", ".npz", ".arff")
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Places:
    """The folders that a request looks in, best first."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, request: DataRequest) -> Places:
        """``data_dir`` alone if given, else ``CHOP_DATA_DIR`` and the cache folder."""
        if request.data_dir is not None:
            if not request.data_dir.is_dir():
                raise FileNotFoundError(f"data_dir: {request.data_dir} is not a folder")
            return cls((request.data_dir,))
        named = os.environ.get("CHOP_DATA_DIR")
        return cls((*((Path(named),) if named else ()), cache_folder()))

    def find(self) -> Path | None:
        """The first published file that is there; for the tutorial's set, its folder."""
        for folder in self.folders:
            for name in (CERNBOX_FILE, *(OPENML_NAME + suffix for suffix in _OPENML_SUFFIXES)):
                if (folder / name).is_file():
                    return folder / name
            if all((folder / name).is_file() for name in TUTORIAL_FILES):
                return folder
        return None


def cache_folder() -> Path:
    """The folder that downloads go to when no other is named."""
    import pooch

    return Path(pooch.os_cache("chop"))


def locate(request: DataRequest) -> Path:
    """The file (or the folder of the tutorial's set) that a request means, downloaded if it is nowhere.

    Raises:
        FileNotFoundError: ``data_file`` does not exist, or nothing was found and no download was possible.
    """
    if request.data_file is not None:
        if not request.data_file.exists():
            raise FileNotFoundError(f"data_file: {request.data_file} does not exist")
        return request.data_file
    places = Places.of(request)
    return places.find() or _download(places)


def _download(places: Places) -> Path:
    reasons = []
    for source in (
        _Source(CERNBOX_FILE, CERNBOX_URL, b"\x89HDF"),
        _Source(_OPENML_FILE, OPENML_URL, b"PAR1"),
    ):
        logger.info("jsc: fetching %s into %s", source.url, places.folders[0])
        try:
            return source.fetch(places.folders[0])
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            reasons.append(
                f"{source.url}: {str(error) if type(error) is ValueError else type(error).__name__}"
            )
    raise FileNotFoundError(_missing(places, reasons))


@dataclass(frozen=True)
class _Source:
    # A published file: its name here, its address, and the bytes it begins with.
    name: str
    url: str
    magic: bytes

    def fetch(self, folder: Path) -> Path:
        import pooch

        pooch.get_logger().setLevel("WARNING")  # chop's own line says what is fetched
        fetcher = pooch.HTTPDownloader(timeout=_TIMEOUT_SECONDS, progressbar=False)
        # No checksum of either file is published, so at least a login page must not pass for one.
        path = Path(
            pooch.retrieve(self.url, known_hash=None, fname=self.name, path=folder, downloader=fetcher)
        )
        with path.open("rb") as file:
            if file.read(len(self.magic)) == self.magic:
                return path
        path.unlink()
        raise ValueError("the answer is not the data file")


def _missing(places: Places, reasons: list[str]) -> str:
    openml = ", ".join(OPENML_NAME + suffix for suffix in _OPENML_SUFFIXES)
    return (
        f"dataset jsc: no data file found in {', '.join(map(str, places.folders))}. "
        f"Looked for {CERNBOX_FILE} (CERNBox), {openml} (OpenML 42468), "
        f"or the hls4ml tutorial's {', '.join(TUTORIAL_FILES)}; "
        f"downloading failed ({'; '.join(reasons)}). "
        f"Fetch {CERNBOX_URL} or {OPENML_URL} elsewhere, put the file in a folder under its name above, and "
        "pass --data-dir FOLDER (or set CHOP_DATA_DIR), or pass --data-file FILE; "
        "the dataset jsc-synth is synthetic and needs no file"
    )


def reader_name(path: Path) -> str:
    """Which reader a path needs: hdf5, csv, parquet, npz, arff or tutorial.

    Raises:
        ConfigError: a suffix that none of them serves.

    >>> reader_name(Path(CERNBOX_FILE)), reader_name(Path("a.pq"))
    ('hdf5', 'parquet')
    """
    if path.is_dir():
        return "tutorial"
    readers = {
        ".z": "hdf5",
        ".h5": "hdf5",
        ".hdf5": "hdf5",
        ".csv": "csv",
        ".parquet": "parquet",
        ".pq": "parquet",
        ".npz": "npz",
        ".arff": "arff",
    }
    try:
        return readers[path.suffix.lower()]
    except KeyError:
        raise ConfigError(f"data_file: {path} must end in one of {', '.join(readers)}") from None
