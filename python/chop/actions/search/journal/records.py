"""The records of a journal: the sum that each one carries, and what one may hold that carries none.

A sum is over the line before it and the record itself, so a changed, lost, doubled or moved record is noticed. It is a
key that Optuna's own loader does not look at. Records without one (Optuna's own, or older ones) are checked by what
they say.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from chop.registry import did_you_mean

_SUM = re.compile(rb',"sum":"([0-9a-f]{16})"}\n\Z')
_SUM_BYTES = len(b',"sum":"0123456789abcdef"}\n')
_RUNNING, _COMPLETE, _WAITING, _STATES = 0, 1, 4, 5


def summed_line(record: Mapping[str, Any], before: bytes) -> bytes:
    """Return the line of a record that follows the line ``before``, b"" at the beginning of a file.

    >>> summed_line({"op_code": 1, "worker_id": "w", "study_id": 0}, b"")
    b'{"op_code":1,"worker_id":"w","study_id":0,"sum":"f01336e7a0de88a8"}\\n'
    """
    body = json.dumps(record, separators=(",", ":")).encode()[:-1]
    return b'%b,"sum":"%b"}\n' % (body, _sum_of(before, body))


def _sum_of(before: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=hashlib.blake2b(before).digest(), digest_size=8).hexdigest().encode()


class Damage(ValueError):
    """What is wrong with one record, in words that follow "record N"."""


class Ledger:
    """Reads lines one after another and knows what was made before."""

    def __init__(self) -> None:
        self._before = b""
        self._summed = False
        self._studies: dict[int, tuple[str, int]] = {}  # those not deleted: name, number of objectives
        self._made = 0
        self._trials: list[int] = []  # trial -> its study

    def read(self, line: bytes) -> dict[str, Any]:
        """Return the record of the next line.

        Raises:
            Damage: it is no record, not what was written, or it does not follow from those before.
        """
        found = _SUM.search(line[-_SUM_BYTES:])
        if found and found[1] != _sum_of(self._before, line[:-_SUM_BYTES]):
            raise Damage(
                "was changed, or the record before it was, or one is missing: its sum does not agree"
            )
        try:
            record = json.loads(line.decode(), object_pairs_hook=None if found else _without_repeats)
        except (ValueError, RecursionError) as error:
            raise Damage(f"is not JSON: {str(error)[:80]}") from None
        if not isinstance(record, dict):
            raise Damage(f"must be an object, got {_short(record)}")
        code = record.get("op_code")
        if type(code) is not int or not 0 <= code <= len(_OPERATIONS):
            raise Damage(f"has op_code {_short(code)}, which is not one of 0..{len(_OPERATIONS)}")
        if not found and code < len(_OPERATIONS):
            _check_keys(record, _OPERATIONS[code])
        if found:
            del record["sum"]
        self._apply(record, code, checked=found is not None)
        self._before = line
        return record

    def _apply(self, record: Mapping[str, Any], code: int, checked: bool) -> None:
        if code == 0:
            self._make_study(record)
        elif code in (1, 2, 3, 4):
            self._of_study(record, code, checked)
        elif code < len(_OPERATIONS):
            self._of_trial(record, code, checked)

    def _make_study(self, record: Mapping[str, Any]) -> None:
        if record["study_name"] not in (name for name, _ in self._studies.values()):
            self._studies[self._made] = record["study_name"], len(record["directions"])
            self._made += 1

    def _of_study(self, record: Mapping[str, Any], code: int, checked: bool) -> None:
        study = record["study_id"]
        if not checked and not 0 <= study < self._made:
            raise Damage(f"is about study {_short(study)}, which no record before it makes")
        if code == 1:
            self._studies.pop(study, None)
        if code == 4 and study in self._studies:
            if not checked:
                _check_trial(record, self._studies[study][1])
            self._trials.append(study)

    def _of_trial(self, record: Mapping[str, Any], code: int, checked: bool) -> None:
        if checked:
            return
        trial = record["trial_id"]
        if not 0 <= trial < len(self._trials):
            raise Damage(f"is about trial {_short(trial)}, which no record before it makes")
        if code == 5:
            _check_parameters({"p": record["param_value_internal"]}, {"p": record["distribution"]})
        elif code == 6 and self._trials[trial] in self._studies:
            _check_outcome(record, self._studies[self._trials[trial]][1])


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


_NUMBER: tuple[type, ...] = (int, float)
_ID, _TEXT, _TABLE, _LIST = (int,), (str,), (dict,), (list,)
_OPTIONAL_TEXT, _VALUES = (str, type(None)), (list, type(None))
# Operation -> key -> kinds; a key that ends in "?" may be left out. Source: Optuna's journal storage, 4.0 to 5.0.
_OPERATIONS: tuple[Mapping[str, tuple[type, ...]], ...] = (
    {"study_name": _TEXT, "directions": _LIST},
    {"study_id": _ID},
    {"study_id": _ID, "user_attr": _TABLE},
    {"study_id": _ID, "system_attr": _TABLE},
    {
        "study_id": _ID, "datetime_start": _OPTIONAL_TEXT, "datetime_complete?": _TEXT, "state?": _ID,
        "value?": (*_NUMBER, type(None)), "values?": _VALUES, "params?": _TABLE, "distributions?": _TABLE,
        "user_attrs?": _TABLE, "system_attrs?": _TABLE, "intermediate_values?": _TABLE,
    },
    {"trial_id": _ID, "param_name": _TEXT, "param_value_internal": _NUMBER, "distribution": _TEXT},
    {
        "trial_id": _ID, "state": _ID, "values": _VALUES, "datetime_start?": _TEXT, "datetime_complete?": _TEXT,
    },
    {"trial_id": _ID, "step": _ID, "intermediate_value": _NUMBER},
    {"trial_id": _ID, "user_attr": _TABLE},
    {"trial_id": _ID, "system_attr": _TABLE},
)  # fmt: skip


def _check_keys(record: Mapping[str, Any], operation: Mapping[str, tuple[type, ...]]) -> None:
    kinds = {key.removesuffix("?"): kind for key, kind in operation.items()}
    kinds |= {"op_code": _ID, "worker_id": _TEXT}
    for key, value in record.items():
        if key not in kinds:
            raise Damage(f"has the key {_short(key)}, which is not known{did_you_mean(key, kinds)}")
        if type(value) not in kinds[key]:
            raise Damage(f"has {_short(value)} for {key!r}, which is of the wrong kind")
    for key in ("worker_id", *operation):
        if not key.endswith("?") and key not in record:
            raise Damage(f"lacks the key {key!r}")
    for key in ("user_attr", "system_attr"):
        if len(record.get(key, "1")) != 1:
            raise Damage(f"has {len(record[key])} entries in {key!r}, where there is one")
    if not all(type(way) is int and way in (1, 2) for way in record.get("directions", [])):
        raise Damage(f"has directions {_short(record['directions'])}, where each is 1 or 2")


def _check_trial(record: Mapping[str, Any], objectives: int) -> None:
    steps = record.get("intermediate_values", {})
    if not all(re.fullmatch("-?[0-9]{1,18}", step) and _is_number(steps[step]) for step in steps):
        raise Damage(f"has intermediate values {_short(steps)}, where a number belongs to each step")
    given = {"state": _RUNNING, "values": None, **record}
    if record.get("value") is not None:
        if given["values"] is not None:
            raise Damage("has both 'value' and 'values'")
        given["values"] = [record["value"]]
    _check_parameters(record.get("params", {}), record.get("distributions", {}))
    _check_outcome(given, objectives)


def _check_outcome(record: Mapping[str, Any], objectives: int) -> None:
    state, values = record["state"], record["values"]
    if not 0 <= state < _STATES:
        raise Damage(f"has the state {_short(state)}, which is not one of 0..{_STATES - 1}")
    numbers = values if values is not None else []
    if not all(_is_number(value) and not math.isnan(value) for value in numbers):
        raise Damage(f"has the values {_short(values)}, which are not numbers")
    if state == _COMPLETE and len(numbers) != objectives:
        raise Damage(f"has {len(numbers)} values for {objectives} objectives")
    times = {
        "datetime_complete": state not in (_RUNNING, _WAITING),
        "datetime_start": state == _RUNNING and "trial_id" in record,
    }
    for key, needed in times.items():
        if needed or record.get(key) is not None:
            try:
                datetime.datetime.fromisoformat(record.get(key, ""))
            except (TypeError, ValueError):
                raise Damage(f"has {_short(record.get(key))} for {key!r}, which is no time") from None


def _check_parameters(params: Mapping[str, Any], distributions: Mapping[str, Any]) -> None:
    from optuna.distributions import json_to_distribution

    if params.keys() != distributions.keys():
        raise Damage("has parameters and distributions of other names")
    for name, value in params.items():
        try:
            distribution = json_to_distribution(distributions[name])
            held = _is_number(value) and distribution._contains(value)
            distribution.to_external_repr(value)
        except Exception as error:  # Optuna's own checks, of any kind
            raise Damage(f"has a distribution that Optuna does not read: {str(error)[:80]}") from None
        if not held:
            raise Damage(f"has the parameter {_short(value)}, which its distribution does not hold")


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**1023)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
