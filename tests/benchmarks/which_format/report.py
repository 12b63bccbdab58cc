"""The table and the picture of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def table(found: dict[str, Any]) -> str:
    """Markdown: formats alone, and the fronts of mixtures."""
    names = list(found)
    lines = [
        "# Number formats of two trained networks",
        "",
        "Written by `python -m tests.benchmarks.which_format`. Macro accuracy on validation rows after rounding,",
        'without training; "kB" is the cost model `model_size`. Each operand of a layer has the parameters of least',
        "squared error (`chop.best_formats`).",
        "",
        "| format, bits, block | " + " | ".join(f"{name} | kB" for name in names) + " |",
        "|---|" + "---|---|" * len(names),
    ]
    for row in zip(*([data["float"], *data["alone"]] for data in found.values()), strict=True):
        cells = " | ".join(f"{each['accuracy']:.3f} | {each['model_size'] / 1000:.2f}" for each in row)
        lines.append(f"| {row[0]['label']} | {cells} |")
    for name, data in found.items():
        lines += [
            "",
            f"## The front of {name}",
            "",
            f"All {data['configurations']:,} mixtures, layer by layer, of {', '.join(data['mixed'])}: accuracy on "
            f"{data['rows']:,} rows of {data['data']} against size.",
            "",
            "| accuracy | kB | " + " | ".join(f"`{layer}`" for layer in data["layers"]) + " |",
            "|---|---|" + "---|" * len(data["layers"]),
        ]
        for entry in sorted(data["front"], key=lambda e: e["model_size"]):
            cells = " | ".join(entry["layers"])
            lines.append(f"| {entry['accuracy']:.4f} | {entry['model_size'] / 1000:.3f} | {cells} |")
    return "\n".join(lines) + "\n"


def picture(found: dict[str, Any], path: Path) -> None:
    """Each format alone as a point, the front of mixtures as a line."""
    from matplotlib.figure import Figure

    from chop.plotting.style import PALETTE

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    places = figure.subplots(1, len(found))
    names = sorted({row["label"].split()[0] for data in found.values() for row in data["alone"]})
    marks = "os^vDPX*<>hd"
    for ax, (name, data) in zip(places, found.items(), strict=True):
        for place, format in enumerate(names):
            rows = [row for row in data["alone"] if row["label"].split()[0] == format]
            ax.plot(
                [row["model_size"] / 1000 for row in rows],
                [row["accuracy"] for row in rows],
                marks[place % len(marks)],
                color=PALETTE[place % len(PALETTE)],
                markersize=5,
                label=format,
            )
        front = sorted(data["front"], key=lambda e: e["model_size"])
        x, y = [e["model_size"] / 1000 for e in front], [e["accuracy"] for e in front]
        ax.step(x, y, where="post", color="black", linewidth=1, label="front of mixtures")
        ax.axhline(data["float"]["accuracy"], color="gray", linestyle=":", linewidth=1)
        ax.text(
            1.0,
            data["float"]["accuracy"],
            "float",
            ha="right",
            va="bottom",
            transform=ax.get_yaxis_transform(),
        )
        ax.set_title(f"{name}, {data['rows']:,} rows of {data['data']}", fontsize=10)
        ax.set_xlabel("weights and biases [kB]")
        ax.set_ylabel("macro accuracy")
    figure.legend(
        *places[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False
    )
    figure.savefig(path, dpi=110)
