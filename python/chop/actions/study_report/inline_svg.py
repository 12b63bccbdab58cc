"""A picture as SVG inside a page: in the page's colours, as wide as there is room, with words for each point."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from xml.etree import ElementTree

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
# Colours that are the page's: what is drawn in black, on white, and the grid. All others are read on both.
_COLOURS = {
    "#000000": "currentColor",
    "#ffffff": "var(--back)",
    "#e3e3e3": "var(--line)",
    "#0072b2": "var(--link)",
}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_REFERENCE = re.compile(r"url\(#")
_DRAWN = ("path", "use")


def inline_svg(
    picture: bytes, name: str, title: str, words: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return the picture as an ``<svg>`` element.

    Args:
        picture: an SVG file that matplotlib wrote.
        name: goes before each id in it, so that the pictures of a page do not share any.
        title: what a screen reader says of the picture.
        words: gid of a collection of points -> a text for each point in the order in which they are drawn; a browser
            shows it where the pointer rests.

    Raises:
        ValueError: a collection has not as many points as texts.
    """
    root = ElementTree.fromstring(picture)
    for gid, texts in (words or {}).items():
        _explain(root, gid, texts)
    _clean(root, name)
    # Its size comes from the page; the view box keeps the shape.
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _explain(root: ElementTree.Element, gid: str, texts: Sequence[str]) -> None:
    group = next((each for each in root.iter(f"{_SVG}g") if each.get("id") == gid), None)
    if group is None:
        return
    shared = {id(each) for defs in group.iter(f"{_SVG}defs") for each in defs.iter()}
    points = [each for each in group.iter() if _plain(each.tag) in _DRAWN and id(each) not in shared]
    if len(points) != len(texts):
        raise ValueError(f"{gid}: {len(points)} points, {len(texts)} texts")
    for point, text in zip(points, texts, strict=True):
        ElementTree.SubElement(point, "title").text = text
        point.set("tabindex", "0")


def _clean(root: ElementTree.Element, name: str) -> None:
    """Names without their spaces, ids with a prefix, colours of the page; no metadata, which holds addresses."""
    for element in root.iter():
        for child in [each for each in element if _plain(each.tag) == "metadata"]:
            element.remove(child)
        element.tag = _plain(element.tag)
        element.attrib = {_plain(key): _value(_plain(key), value, name) for key, value in element.items()}


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = _REFERENCE.sub(f"url(#{name}-", value)
    return _COLOUR.sub(lambda found: _COLOURS.get(found[0].lower(), found[0]), value)


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def figure_html(svg: str, title: str, words: str) -> str:
    """The picture below its title, with its caption."""
    caption = f"<figcaption>{escape(words)}</figcaption>"
    return f'<h2>{escape(title)}</h2><figure><div class="picture">{svg}</div>{caption}</figure>'
