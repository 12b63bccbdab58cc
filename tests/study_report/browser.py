"""Pages in a real browser without a window: what they complain about, and where their text boxes lie."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)

# Runs in the page: what went wrong, what sticks out, which words are broken, which texts of a picture overlap.
_MEASURE = r"""
<script>
const wrong = [];
addEventListener("error", event => wrong.push(String(event.message || event.target)), true);
const told = console.error; console.error = (...words) => { wrong.push(words.join(" ")); told(...words); };
addEventListener("load", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const seen = getComputedStyle(document.body);
  const inside = each => !each.closest(".wide, pre");
  const wide = [...document.querySelectorAll("h1, h2, p, figcaption, summary, figure, svg, th, td, button")]
    .filter(each => inside(each) && each.getBoundingClientRect().right > innerWidth + 0.5)
    .map(each => each.tagName + " " + each.textContent.slice(0, 40));
  const broken = [];
  for (const each of document.querySelectorAll("th, h2, .facts th")) {
    const walk = document.createTreeWalker(each, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
      for (const word of node.data.matchAll(/[^\s\u200b]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
      }
  }
  const overlaps = [], outside = [];
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('[id*="-text_"]')].map(each => [each.id, each.getBoundingClientRect()])
      .filter(([, box]) => box.width > 0);
    const straight = id => !/rotate\((?!0)/.test(document.getElementById(id).innerHTML);
    boxes.forEach(([id, box], k) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        outside.push(id);
      for (const [other, beside] of boxes.slice(k + 1)) {
        const width = Math.min(box.right, beside.right) - Math.max(box.left, beside.left);
        const height = Math.min(box.bottom, beside.bottom) - Math.max(box.top, beside.top);
        if (width > 1 && height > 1 && straight(id) && straight(other)) overlaps.push(id + " " + other);
      }
    });
  }
  parent.postMessage({ wrong, wide, broken, overlaps, outside, scroll: document.documentElement.scrollWidth,
    width: innerWidth, back: seen.backgroundColor, text: seen.color,
    svgs: document.querySelectorAll("svg").length, hints: document.querySelectorAll("svg title").length,
    ink: [...new Set([...document.querySelectorAll('svg [id*="-text_"] *')].map(e => getComputedStyle(e).fill))],
    paper: [...document.querySelectorAll('svg [id$="patch_2"] path')].map(e => getComputedStyle(e).fill) }, "*");
});
</script>
"""
_FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark">
<pre id="found">nothing</pre><script>
addEventListener("message", event => { document.getElementById("found").textContent = JSON.stringify(event.data); });
</script><iframe src="PAGE" style="width:WIDTHpx;height:900px;border:0"></iframe>"""


def looked_at(page: Path, width: int, dark: bool, folder: Path) -> dict[str, Any]:
    """Open a page that is ``width`` pixels wide and return what was found in it."""
    folder.mkdir(parents=True, exist_ok=True)
    copy, frame = folder / "page.html", folder / "frame.html"
    copy.write_text(page.read_text().replace("<head>", f"<head>{_MEASURE}", 1))
    frame.write_text(_FRAME.replace("PAGE", copy.name).replace("WIDTH", str(width)))
    words = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={max(width + 40, 600)},1000",
    ]
    words += [
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--user-data-dir={folder / 'profile'}",
    ]
    words += ["--virtual-time-budget=20000", "--dump-dom", frame.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert found and found[1] != "nothing", done.stderr[-2000:]
    return dict(json.loads(html.unescape(found[1])))
