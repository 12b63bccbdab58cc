"""What ``ch transform`` adds around a pass: allowed keys, a check before anything runs, default save paths.

A pass without an entry here runs with its table as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.registry import Registry, did_you_mean
from chop.tools.config_load import refuse_huge_integers
from chop.tools.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from chop.ir.graph import MaseGraph


@dataclass(frozen=True)
class Context:
    """What the passes of one run share.

    Args:
        save_dir: ``<project>/software/transform``.
        dummy_in: input name -> tensor, the first training batch.
        fresh_graph: makes a graph of the untouched model, with metadata.
        data_module, model_info, task: as given to the action.
    """

    save_dir: Path
    dummy_in: Mapping[str, Tensor]
    fresh_graph: Callable[[], MaseGraph]
    data_module: Any = None
    model_info: Any = None
    task: str = "classification"


Arguments = dict[str, Any]


def _as_is(args: Arguments, context: Context) -> Arguments:
    return args


def _no_check(graph: MaseGraph, args: Arguments) -> None:
    return None


def _nothing(graph: MaseGraph, context: Context) -> None:
    return None


@dataclass(frozen=True)
class PassStep:
    """How one pass is called.

    Args:
        keys: allowed key -> its type; None leaves the keys to the pass.
        rules: other keys are rules, as of quantize: tables that hold a table "config" and nothing else.
        prepare: completes the arguments.
        check: raises ConfigError for arguments that do not suit the graph; changes nothing.
        after: what follows a run of the pass.
        replaces: the pass itself is not called, only ``after``.
        reads, writes: the key of a path that the pass reads or writes; a later pass may read what this one
            writes.
    """

    keys: Mapping[str, type] | None = None
    rules: bool = False
    prepare: Callable[[Arguments, Context], Arguments] = _as_is
    check: Callable[[MaseGraph, Arguments], None] = _no_check
    after: Callable[[MaseGraph, Context], None] = _nothing
    replaces: bool = False
    reads: str | None = None
    writes: str | None = None


STEPS: Registry[PassStep] = Registry("pass step")
_DEFAULT = PassStep()


def step_of(name: str) -> PassStep:
    """The step of pass ``name``; the plain call where none is registered."""
    return STEPS.get(name, _DEFAULT)


def known_passes() -> Registry[Callable[..., Any]]:
    """Return the table of passes, that of the layer above them included."""
    import chop.export.several  # noqa: F401  registers "export"
    from chop.passes import PASSES

    return PASSES


def check_tables(passes: Mapping[str, Any], where: str = "") -> None:
    """Check the names and keys of the tables [passes.*]; needs no graph.

    Args:
        passes: the table [passes].
        where: opens the message, such as ``"a.toml: "``.

    Raises:
        ConfigError: an unknown pass, a pass that is no table, an unknown key or a value of the wrong type.

    >>> check_tables({"quantise": {}})
    Traceback (most recent call last):
    ...
    chop.tools.errors.ConfigError: unknown pass 'passes.quantise' (did you mean 'quantize'?)
    """
    known = known_passes()
    refuse_huge_integers(passes, f"{where}passes")
    for name, args in passes.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"; known: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}unknown pass {f'passes.{name}'!r}{hint}")
        if not isinstance(args, Mapping):
            raise ConfigError(f"{where}passes.{name} must be a table, got {args!r}")
        step = step_of(name)
        if step.keys is not None:
            _check_keys(f"{where}passes.{name}", args, step)


def _check_keys(path: str, args: Mapping[str, Any], step: PassStep) -> None:
    assert step.keys is not None
    for key, value in args.items():
        if key in step.keys:
            if value is not None and not isinstance(value, step.keys[key]):
                raise ConfigError(f"{path}.{key} must be {_WORDS[step.keys[key]]}, got {value!r}")
        elif step.rules and isinstance(value, Mapping):
            _check_rule(f"{path}.{key}", value)
        else:
            hint = did_you_mean(key, step.keys) or f"; allowed: {', '.join(step.keys) or 'none'}"
            raise ConfigError(f"{path}: unknown key {key!r}{hint}")


def _check_rule(path: str, rule: Mapping[str, Any]) -> None:
    for key, value in rule.items():
        if key != "config":
            raise ConfigError(
                f"{path}: unknown key {key!r}{did_you_mean(key, ['config']) or '; allowed: config'}"
            )
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path}.config must be a table, got {value!r}")


_WORDS = {str: "a text", list: "a list", bool: "true or false", int: "a whole number", Mapping: "a table"}


def _check_quantize(graph: MaseGraph, args: Arguments) -> None:
    from chop.ir.graph.quantize_config import resolve_quantize_config

    resolve_quantize_config(graph, args)


def _check_redefine(graph: MaseGraph, args: Arguments) -> None:
    from chop.passes.graph.transforms.redefine import plan_redefinition

    plan_redefinition(graph, args)


def _summarize(graph: MaseGraph, context: Context) -> None:
    from chop.passes.graph import summarize_quantization_analysis_pass

    summarize_quantization_analysis_pass(context.fresh_graph(), graph, save_dir=context.save_dir / "quantize")


def _check_which(graph: MaseGraph, args: Arguments) -> None:
    for part in args.get("which") or ():
        if part not in _PARTS:
            allowed = ", ".join(_PARTS)
            hint = did_you_mean(part, _PARTS)
            raise ConfigError(f"passes.report_node_meta_param.which must hold {allowed}, got {part!r}{hint}")


_PARTS = ("all", "common", "hardware", "software")


def _check_load_path(graph: MaseGraph, args: Arguments) -> None:
    path = args.get("load_path")
    if path is None or not Path(path).is_file():
        raise ConfigError(f"passes.load_node_meta_param.load_path must be a file, got {path!r}")


def _check_load_dir(graph: MaseGraph, args: Arguments) -> None:
    from chop.passes.graph import load_mase_graph_interface_pass

    path = args.get("load_dir")
    if path is None or not Path(path).exists():
        raise ConfigError(f"passes.load_mase_graph.load_dir must be a folder or a .mz file, got {path!r}")
    load_mase_graph_interface_pass(graph, path)  # a damaged file is refused before anything is written


def _check_weights(graph: MaseGraph, args: Arguments) -> None:
    from chop.tools.best_file import SavedWeights

    path = args.get("load_name")
    if path is None:
        raise ConfigError("passes.load_weights.load_name must be a file, got None")
    SavedWeights(Path(path), args.get("sha256")).check()


def _check_profile(graph: MaseGraph, args: Arguments) -> None:
    from chop.passes.graph.analysis.statistical_profiler.profile import check_profile_statistics

    check_profile_statistics(graph, args)


def _check_export(graph: MaseGraph, args: Arguments) -> None:
    from chop.export import TARGETS

    if not args.get("to") or not all(isinstance(name, str) for name in args["to"]):
        raise ConfigError(f"passes.export.to must list targets: {', '.join(sorted(TARGETS))}")
    for name in args["to"]:
        TARGETS[name].check_packages()
    rows = args.get("rows", 1)
    if type(rows) is not int or rows < 1:
        raise ConfigError(f"passes.export.rows must be a whole number of 1 or more, got {rows!r}")
    if "out" in args and Path(args["out"]).exists() and not Path(args["out"]).is_dir():
        raise ConfigError(f"passes.export.out must be a folder, got the file {args['out']!r}")


def _with_rows(args: Arguments, context: Context) -> Arguments:
    return {"out": str(context.save_dir / "export"), "x": context.data_module.arrays("test")[0], **args}


def _check_definition(graph: MaseGraph, args: Arguments) -> None:
    from chop.passes.graph.analysis.flop_estimator.add_flops_bitops import DEFINITIONS

    DEFINITIONS[args.get("definition", "mase")]


def _needs_python(graph: MaseGraph, args: Arguments) -> None:
    raise ConfigError("passes.metadata_value_type_cast takes a function and can only be called from Python")


def _default_path(key: str, *parts: str) -> Callable[[Arguments, Context], Arguments]:
    def prepare(args: Arguments, context: Context) -> Arguments:
        return {key: str(context.save_dir.joinpath(*parts)), **args}

    return prepare


def _with_dummy_input(args: Arguments, context: Context) -> Arguments:
    return {"dummy_in": dict(context.dummy_in), **args}


def _with_generator(args: Arguments, context: Context) -> Arguments:
    from chop.tools.get_input import InputGenerator

    generator = InputGenerator(context.model_info, context.data_module, context.task, "train")
    return {"input_generator": generator, **args}


STEPS.update(
    {
        "quantize": PassStep({"by": str}, rules=True, check=_check_quantize, after=_summarize),
        "redefine": PassStep(
            {"by": str, "config": Mapping, "weights": str, "seed": int}, rules=True, check=_check_redefine
        ),
        "summarize_quantization": PassStep({}, after=_summarize, replaces=True),
        "report_graph": PassStep({"file_name": str}, prepare=_default_path("file_name", "report_graph.txt")),
        "report_node_meta_param": PassStep(
            {"which": list, "save_path": str},
            prepare=_default_path("save_path", "report"),
            check=_check_which,
        ),
        "report_node_type": PassStep({}),
        "report_node_shape": PassStep({}),
        "init_metadata": PassStep({}),
        "add_common_metadata": PassStep(
            {"add_value": bool, "force_device_meta": bool}, prepare=_with_dummy_input
        ),
        "add_software_metadata": PassStep({}),
        "calculate_avg_bits_mg": PassStep({}),
        "metadata_value_type_cast": PassStep(check=_needs_python),
        "save_node_meta_param": PassStep(
            {"save_path": str},
            prepare=_default_path("save_path", "saved_node_meta_param"),
            writes="save_path",
        ),
        "load_node_meta_param": PassStep({"load_path": str}, check=_check_load_path, reads="load_path"),
        "save_mase_graph": PassStep(
            {"save_dir": str}, prepare=_default_path("save_dir", "saved_mase_graph"), writes="save_dir"
        ),
        "load_mase_graph": PassStep({"load_dir": str}, check=_check_load_dir, reads="load_dir"),
        "load_weights": PassStep({"load_name": str, "sha256": str}, check=_check_weights, reads="load_name"),
        "verify_common_metadata": PassStep({}),
        "profile_statistics": PassStep(prepare=_with_generator, check=_check_profile),
        "export": PassStep({"to": list, "out": str, "rows": int}, prepare=_with_rows, check=_check_export),
        "add_flops_bitops": PassStep({"definition": str, "batch": int}, check=_check_definition),
    }
)
