"""Measure a checkpoint under a quantize config: float against quantized, and what the quantized model costs."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.eval_tables import costs_text, metrics_text, plain
from chop.cli.quantize_file import Chosen, metric_specs, read_quantize_config
from chop.cli.quantized_model import add_model, add_options, add_sources
from chop.tools.errors import ConfigError
from chop.tools.writer import write_line

if TYPE_CHECKING:
    from torch import Tensor

    from chop.certificate import Certificate
    from chop.cli.options import Options
    from chop.evaluator import Evaluator, Metrics

ROWS = ("train", "val", "test")
METRICS = "accuracy,accuracy_micro,loss"
COSTS = "average_bitwidth,bitops,ebops,model_size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own words to its parser."""
    parser.argument_default = argparse.SUPPRESS  # what is not typed may come from the config file
    main = parser.add_argument_group("what to measure")
    add_model(main)
    add_sources(main)
    main.add_argument("--trial", help=argparse.SUPPRESS)  # the number in the study; best.json#N is the way
    main.add_argument("--rows", metavar="PART", help=f"one of {', '.join(ROWS)} (default: test)")
    main.add_argument("--metrics", metavar="NAMES", help=f"with commas; top_k(k=2) (default: {METRICS})")
    main.add_argument("--costs", metavar="NAMES", help=f"cost models, with commas (default: {COSTS})")
    out = parser.add_argument_group("what to show and write")
    out.add_argument("--certificate", action="store_true", help="show the certificate of every layer")
    out.add_argument("--json", metavar="FILE", help="write everything as JSON")
    out.add_argument("--forward", metavar="FILE.npz", help="write y and the logits of both models")
    add_options(parser, "data_sha256", "max_unpacked_mb")


@dataclass(frozen=True)
class _Asked:
    """The command's own words, checked."""

    rows: str
    metrics: list[Any]
    costs: list[str]
    certificate: bool
    json: Path | None
    forward: Path | None


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write.

    Raises:
        ConfigError: model, data set, checkpoint, quantize config or an option that cannot be used.
    """
    from chop.cli.merge import merge
    from chop.cli.plugins import import_named

    words = {name: value for name, value in vars(arguments).items() if name != "help"}
    asked = _asked(words)
    config, quantize, trial = (words.pop(name, None) for name in ("config", "quantize", "trial"))
    merged = merge(words, config)
    options = merged.options
    import_named(options.imports or (), options.model, config, merged.typed)
    _check_names(options)
    chosen = read_quantize_config(quantize, trial, config, merged.tables.get("passes", {}).get("quantize"))
    measured = _measure(options, asked, chosen)
    write_line(measured.text(asked.certificate))
    if asked.forward is not None:
        measured.write_logits(asked.forward)
    if asked.json is not None:
        measured.write_json(asked.json)


def _asked(words: dict[str, Any]) -> _Asked:
    """Take the command's own words out of ``words``."""
    from chop.cost import COST_MODELS
    from chop.registry import did_you_mean

    rows = words.pop("rows", "test")
    if rows not in ROWS:
        raise ConfigError(f"--rows must be one of {', '.join(ROWS)}, got {rows!r}{did_you_mean(rows, ROWS)}")
    costs = [name.strip() for name in words.pop("costs", COSTS).split(",") if name.strip()]
    for name in costs:
        COST_MODELS[name]
    paths = {name: _target(f"--{name}", words.pop(name, None)) for name in ("json", "forward")}
    metrics = metric_specs(words.pop("metrics", METRICS))
    return _Asked(rows, metrics, costs, words.pop("certificate", False), **paths)


def _target(option: str, text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{option} must be a file in a folder that is there, got {text!r}")
    return path


def _check_names(options: Options) -> None:
    from chop.cli.parts import check_names

    for name in ("model", "dataset"):
        if getattr(options, name) is None:
            raise ConfigError(
                f"eval needs a {name}: name it on the command line (ch eval MODEL DATASET) or in the config"
            )
    check_names(options)


def _measure(options: Options, asked: _Asked, chosen: Chosen | None) -> Measured:
    import torch

    from chop.cli.parts import build, check_rows
    from chop.cost import Costs
    from chop.evaluator import Evaluator
    from chop.tools.logger import set_logging_verbosity

    set_logging_verbosity(options.log_level)
    torch.manual_seed(options.seed)
    parts = build("search", options)  # a search starts from the float weights too
    if chosen is not None and chosen.weights is not None:
        chosen.weights.load_into(parts.model)
    check_rows(options, parts)
    x, y = parts.data_module.arrays(asked.rows)
    evaluator = Evaluator(parts.model.eval(), x, y)
    config = chosen.config if chosen is not None else None
    try:
        found = evaluator.evaluate_many([None] if config is None else [None, config], metrics=asked.metrics)
        certificate = None if config is None else evaluator.certificate(config)
    except ConfigError as error:
        raise ConfigError(f"{chosen.path}: {error}" if chosen is not None else str(error)) from None
    costs = Costs(evaluator.graph, 1, asked.costs, list(x.shape[1:])) if asked.costs else None
    totals = [] if costs is None else [costs.evaluate(c) for c in ((None, config)[: len(found)])]
    about = {
        "model": options.model,
        "weights": _weights(options, chosen),
        "data": f"{asked.rows} rows of {parts.data_module.describe()}",
        "quantize": "none: the float model alone" if chosen is None else chosen.what,
    }
    return Measured(about, evaluator, y, config, found, totals, certificate)


def _weights(options: Options, chosen: Chosen | None) -> str:
    if chosen is not None and chosen.weights is not None:
        return f"{chosen.weights.path}, trained by the search"
    if options.load_name is not None:
        from chop.tools.checkpoint_load import find_load_type

        return f"{options.load_name} ({find_load_type(options.load_name, options.load_type)})"
    return (
        "shipped with chop"
        if options.is_pretrained
        else "as the model makes them: neither --load nor --pretrained"
    )


@dataclass(frozen=True)
class Measured:
    """What was found: float first, quantized second if there is a config."""

    about: Mapping[str, Any]
    evaluator: Evaluator
    labels: Tensor
    config: Mapping[str, Any] | None
    found: list[Metrics]
    costs: list[dict[str, float]]
    certificate: Certificate | None

    def text(self, whole_certificate: bool) -> str:
        """Everything that is printed."""
        lines = [f"{name + ':':<10}{value}" for name, value in self.about.items()]
        lines += ["", metrics_text(self.found)]
        if self.costs:
            lines += ["", costs_text(self.costs)]
        if self.certificate is not None:
            lines += ["", repr(self.certificate) if whole_certificate else self._verdict()]
        return "\n".join(lines)

    def _verdict(self) -> str:
        assert self.certificate is not None
        roads = {layer.road for layer in self.certificate.layers if layer.road not in ("float", "torch")}
        bits = [layer.accumulator_bits for layer in self.certificate.layers]
        widest = max((n for n in bits if n is not None), default=None)
        needs = "" if widest is None else f"; widest accumulator {widest} bits"
        how = f"; computed as {', '.join(sorted(roads))}" if roads else ""
        return f"certificate: {self.certificate.verdict}{needs}{how} (--certificate shows every layer)"

    def write_json(self, path: Path) -> None:
        """Write what :meth:`text` says as numbers."""
        from chop.tools.atomic_write import atomic_write

        names = ("float", "quantized")[: len(self.found)]
        content = {
            **self.about,
            "rows": self.found[0].rows,
            "metrics": {
                name: {key: plain(value) for key, value in metrics.values.items()}
                for name, metrics in zip(names, self.found, strict=True)
            },
            "costs": dict(zip(names, self.costs, strict=False)),
            "config": self.config,
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
        }
        atomic_write(path, json.dumps(content, indent=2, allow_nan=False) + "\n")

    def write_logits(self, path: Path) -> None:
        """Write the arrays y, logits_float and logits_quantized, rows in the data set's order."""
        import numpy as np

        from chop.tools.atomic_write import atomic_write

        arrays = {"y": self.labels.numpy(), "logits_float": self.evaluator.forward().numpy()}
        if self.config is not None:
            arrays["logits_quantized"] = self.evaluator.forward(self.config).numpy()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        atomic_write(path, buffer.getvalue())
