"""Names of the jet features and classes, and the order of the labels."""

from __future__ import annotations

import re

import numpy as np

from chop.tools.errors import ConfigError

FEATURES = (
    "zlogz",
    "c1_b0_mmdt",
    "c1_b1_mmdt",
    "c1_b2_mmdt",
    "c2_b1_mmdt",
    "c2_b2_mmdt",
    "d2_b1_mmdt",
    "d2_b2_mmdt",
    "d2_a1_b1_mmdt",
    "d2_a1_b2_mmdt",
    "m2_b1_mmdt",
    "m2_b2_mmdt",
    "n2_b1_mmdt",
    "n2_b2_mmdt",
    "mass_mmdt",
    "multiplicity",
)
#: gluon, light quark, top, W, Z; alphabetical, as LabelEncoder and category codes number them.
CLASSES = "gqtwz"
#: MASE's columns j_g j_q j_w j_z j_t, in which it takes the argmax.
MASE_ORDER = "gqwzt"


def parse_class_order(order: str) -> str:
    """Check a class order such as ``gqwzt`` (spaces and commas may separate the letters).

    Raises:
        ConfigError: not the five letters g q t w z, each once.

    >>> parse_class_order("g, q, w, z, t")
    'gqwzt'
    """
    letters = re.sub(r"[\s,]+", "", order).lower()
    if sorted(letters) != sorted(CLASSES):
        raise ConfigError(
            f"class_order must name g q t w z once each, such as {MASE_ORDER} or {CLASSES}, got {order!r}"
        )
    return letters


def reorder_labels(labels: np.ndarray, order: str) -> np.ndarray:
    """Labels ``[rows]`` that index :data:`CLASSES`, renumbered so that they index ``order``; int64.

    >>> reorder_labels(np.array([0, 1, 2, 3, 4]), "gqwzt").tolist()
    [0, 1, 4, 2, 3]
    """
    return np.array([order.index(letter) for letter in CLASSES], dtype=np.int64)[labels]
