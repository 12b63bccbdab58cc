"""The page of promises names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "reliability.md"


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`([\w/]+\.(?:py|cpp))(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    for path, function in named:
        text = (TESTS / path).read_text(encoding="utf-8")
        assert not function or re.search(rf"^def {function}\(", text, flags=re.MULTILINE), (path, function)
