"""What came of one model at one stage."""

from __future__ import annotations

import re
from dataclasses import dataclass

EQUAL, REFUSED, SKIPPED, DIFFERS, CRASHED = "equal", "refused", "skipped", "differs", "crashed"
GOOD = frozenset({EQUAL, REFUSED, SKIPPED})
# A refusal says which part of the model it is about.
_NAMES_A_PART = re.compile(
    r"node \w+|layer \S+|module \S+|cannot trace Net|argument|the output|inputs|hooks? of|parameter \S+|no gradient"
    r"|was traced in"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One verdict.

    Args:
        stage: what was compared.
        verdict: one of the words above.
        why: what differs, or the sentence of the refusal.
    """

    stage: str
    verdict: str
    why: str = ""

    @property
    def kind(self) -> str:
        """The reason without names and numbers, to count by."""
        text = re.sub(r"`.*?`|'.*?'|\[.*?\]|<model .*?>:\d+", "…", self.why)
        return re.sub(r"\b[a-z_]+_?\d+\b|-?\d[\d.e+-]*", "N", text)[:110]


def raised(stage: str, error: Exception) -> Outcome:
    """A refusal where it is one clear sentence, else a crash."""
    text = f"{type(error).__name__}: {error}"
    kinds = (ValueError, RuntimeError) if "the graph was traced in" in text else ValueError
    clear = isinstance(error, kinds) and "\n" not in text and _NAMES_A_PART.search(text)
    return Outcome(stage, REFUSED if clear else CRASHED, text)
