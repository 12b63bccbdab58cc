"""A table of jets as read from a file, before splitting and scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chop.dataset.physical.jsc_columns import CLASSES, FEATURES
from chop.registry import found_instead
from chop.tools.errors import ConfigError

_TARGETS = ("class", "jet_type", "target", "label")
#: Columns that are read, without ``j_``.
WANTED = frozenset((*FEATURES, *CLASSES, *_TARGETS))
# Row counts that the two public tables are known by.
_WHOLE = {986_806: "the whole CERNBox table", 830_000: "the whole OpenML 42468 table"}


@dataclass
class JetTable:
    """Jets of one file.

    Args:
        path: the file, or the folder of a set of files.
        family: "CERNBox" or "OpenML": two different tables that are both called JSC.
        x: ``[rows, 16]``, columns in the order of ``FEATURES``.
        labels: ``[rows]`` int64, an index into "gqtwz".
        parts: (train, test) row numbers where the files are split already.
        note: what a reader should know, such as how labels were read.
    """

    path: Path
    family: str
    x: np.ndarray
    labels: np.ndarray
    parts: tuple[np.ndarray, np.ndarray] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.labels) == 0:
            raise ConfigError(f"{self.path} holds no rows")
        # Kept wide for scaling, but what float32 does not hold is no measurement. NaN passes through min and max.
        ends = np.stack([self.x.min(axis=0), self.x.max(axis=0)])
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(ends.astype(np.float32)).all(axis=0)
        if bad.any():
            column = int(bad.argmax())
            with np.errstate(over="ignore"):
                row = int((~np.isfinite(self.x[:, column].astype(np.float32))).argmax())
            raise ConfigError(
                f"{self.path}: column {FEATURES[column]} holds values that are not finite in float32, "
                f"row {row} has {self.x[row, column]:g}"
            )

    def drop_duplicates(self) -> None:
        """Drop rows that repeat an earlier row in features and label, as MASE does on the CERNBox table."""
        import pandas

        frame = pandas.DataFrame(self.x).assign(label=self.labels)
        kept = ~frame.duplicated().to_numpy()
        if not kept.all():
            self.note += f"{int((~kept).sum())} repeated rows dropped"
            self.x, self.labels = self.x[kept], self.labels[kept]

    def describe(self) -> str:
        """Which data these are, told by layout, file and number of rows."""
        rows = len(self.labels)
        size = _WHOLE.get(rows, "not a whole published table")
        note = f", {self.note}" if self.note else ""
        return f"jets in the {self.family} layout, {rows} rows of {self.path.name} ({size}{note})"


def bare_name(name: str) -> str:
    """A column's name without quotes and ``j_``.

    >>> bare_name("'j_zlogz' ")
    'zlogz'
    """
    return name.strip().strip("'\"").removeprefix("j_")


def table_from_columns(
    path: Path, family: str, names: Sequence[str], column: Callable[[str], np.ndarray]
) -> JetTable:
    """Build a table from named columns, with or without ``j_`` before the names.

    The label is one column ``class`` or ``jet_type`` (letters, or codes 0..4 in alphabetical order g q t w
    z), or five one-hot columns g q t w z.

    Args:
        path, family: see :class:`JetTable`.
        names: the columns that the file has.
        column: gives the values of one of them.

    Raises:
        ConfigError: a feature or the label is missing, or a value is not what it should be.
    """
    own: dict[str, str] = {}
    for name in names:
        if bare_name(name) in own and bare_name(name) in WANTED:
            raise ConfigError(f"{path}: two columns are called {bare_name(name)} (or j_{bare_name(name)})")
        own[bare_name(name)] = name
    missing = [name for name in FEATURES if name not in own]
    if missing:
        hint = found_instead(missing[0], own)
        raise ConfigError(f"{path}: column {missing[0]} (or j_{missing[0]}) is missing{hint}")
    if len(column(own[FEATURES[0]])) == 0:
        raise ConfigError(f"{path} holds no rows")
    x = np.stack([_numbers(column(own[name]), path, name) for name in FEATURES], axis=1)
    if all(letter in own for letter in CLASSES):
        hot = np.stack([_numbers(column(own[letter]), path, letter) for letter in CLASSES], axis=1)
        return JetTable(path, family, x, labels_from_one_hot(hot, path))
    for target in _TARGETS:
        if target in own:
            labels, note = labels_from_values(column(own[target]), path)
            return JetTable(path, family, x, labels, note=note)
    raise ConfigError(f"{path}: no label column: expected class, jet_type, or one-hot columns g q t w z")


def labels_from_one_hot(hot: np.ndarray, path: Path) -> np.ndarray:
    """Labels of one-hot rows ``[rows, 5]``, columns in alphabetical order.

    Raises:
        ConfigError: a row is not one-hot.
    """
    if hot.ndim != 2 or hot.shape[1] != len(CLASSES):
        raise ConfigError(f"{path}: one-hot labels must have shape [rows, 5], got {list(hot.shape)}")
    wrong = ~(((hot == 0) | (hot == 1)).all(axis=1) & (hot.sum(axis=1) == 1))
    if wrong.any():
        raise ConfigError(f"{path}: row {int(wrong.argmax())} is not one-hot in g q t w z")
    return hot.argmax(axis=1).astype(np.int64)


def labels_from_values(
    values: np.ndarray, path: Path, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, str]:
    """Labels of class letters, or of codes.

    Args:
        values: ``[rows]`` letters (also as bytes) or whole numbers.
        path: named in errors.
        classes: the letter of each code; None reads codes as alphabetical, as LabelEncoder and
            categories give them.

    Returns:
        Labels that index "gqtwz", and a note if codes had to be read without a list of classes.

    Raises:
        ConfigError: a value is neither.
    """
    values = np.asarray(values)
    order = "".join(classes) if classes is not None else CLASSES
    if sorted(order) != sorted(CLASSES):
        raise ConfigError(f"{path}: classes must be g q t w z in some order, got {' '.join(classes or '')}")
    if values.ndim != 1:
        raise ConfigError(f"{path}: labels must have shape [rows], got {list(values.shape)}")
    coded = classes is None and values.dtype.kind in "iuf"
    if values.dtype.kind == "O":
        values = _texts(values, path)
    found, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    letters = [_letter(v, order, path, int(row)) for v, row in zip(found, first, strict=True)]
    codes = np.array([CLASSES.index(letter) for letter in letters], dtype=np.int64)
    return codes[inverse.reshape(-1)], "label codes read as alphabetical, g q t w z" if coded else ""


def _texts(values: np.ndarray, path: Path) -> np.ndarray:
    # Letters and missing values do not compare, so those are looked for first.
    import pandas

    missing = np.asarray(pandas.isna(values))
    if missing.any():
        raise ConfigError(f"{path}: row {int(missing.argmax())} has no label (is the file cut?)")
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    return np.array(texts, dtype=np.str_)


def _letter(value: object, order: str, path: Path, row: int) -> str:
    if isinstance(value, float) and np.isnan(value):
        raise ConfigError(f"{path}: row {row} has no label (is the file cut?)")
    shown = value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        text = value.strip().removeprefix("b'").strip("'\"")
        if text.isascii() and text.isdigit() and len(text) < 4:
            value = int(text)
        elif text in CLASSES and len(text) == 1:
            return text
    if isinstance(value, int | float | np.number) and value in range(len(order)):
        return order[int(value)]
    raise ConfigError(
        f"{path}: row {row}: label {str(shown)[:80]!r} is neither one of g q t w z nor a code 0..4"
    )


def _numbers(values: np.ndarray, path: Path, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" or values.ndim != 1:
        raise ConfigError(f"{path}: column {name} must be one number a row, got {values.dtype}")
    return values if values.dtype.kind == "f" else values.astype(np.float64)
