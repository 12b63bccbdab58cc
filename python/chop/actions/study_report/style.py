"""How a report looks, in light and dark, and how its tables are sorted."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #ffffff; --soft: #f3f5f7; --line: #d5dae0; --link: #0072B2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e7eb; --back: #16191d; --soft: #20252b; --line: #3a424b; --link: #56B4E9; }
}
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { overflow-wrap: anywhere; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
figure { margin: 0 auto; max-width: 60rem; }
.picture { border: 1px solid var(--line); border-radius: 6px; padding: 8px; }
.picture svg { display: block; width: 100%; height: auto; fill: currentColor; }
.picture svg :is(path, use):focus-visible { outline: 2px solid var(--link); }
figcaption, p { max-width: 48rem; }
figcaption { margin-top: 0.4rem; }
table { border-collapse: collapse; font-size: 0.87rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.7rem; text-align: right; white-space: nowrap; }
th { background: var(--soft); vertical-align: bottom; }
.facts th, .facts td { text-align: left; vertical-align: top; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
.wide th { cursor: pointer; position: sticky; top: 0; white-space: normal; min-width: 4.5rem; }
.wide th:first-child, .wide td:first-child { text-align: left; }
.wide th[data-way]::after { content: " \\25B2"; } .wide th[data-way="-1"]::after { content: " \\25BC"; }
.wide { overflow: auto; max-height: 36rem; border: 1px solid var(--line); border-radius: 6px; width: fit-content;
  max-width: 100%; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.35rem 0; padding: 0.35rem 0.8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); padding: 0.8rem; overflow: auto; max-height: 26rem; border-radius: 6px; }
button { float: right; margin: 0.5rem; font: inherit; }
"""

SCRIPT = """
for (const table of document.querySelectorAll(".wide table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const way = head.dataset.way === "1" ? -1 : 1;
    heads.forEach(each => delete each.dataset.way);
    head.dataset.way = way;
    const key = row => row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows];
    const numbers = rows.every(row => key(row) === "\\u2013" || key(row) === "" || !isNaN(Number(key(row))));
    const value = row => isNaN(Number(key(row))) || key(row) === "" ? Infinity : Number(key(row));
    rows.sort((a, b) => way * (numbers ? value(a) - value(b) || 0 : key(a).localeCompare(key(b))));
    table.tBodies[0].append(...rows);
  }));
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => {
    const text = button.nextElementSibling.textContent;
    const done = () => { button.textContent = "Copied"; };
    const select = () => {
      getSelection().selectAllChildren(button.nextElementSibling);
      document.execCommand("copy");
      done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, select); else select();
  });
}
"""
