"""``ch transform``: run the passes of a config on a model's graph and save the outcome."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.actions.pass_steps import Context, check_tables, known_passes, step_of
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import Tensor, nn

    from chop.ir.graph import MaseGraph

logger = get_logger(__name__)


def transform(
    model: nn.Module,
    model_info: Any,
    data_module: Any,
    task: str,
    config: Mapping[str, Any] | str | os.PathLike[str],
    save_dir: str | os.PathLike[str],
    load_name: str | None = None,
    load_type: str | None = None,
    accelerator: str = "auto",
    *,
    model_name: str | None = None,
    dataset_info: Any = None,
    validate_only: bool = False,
) -> MaseGraph:
    """Trace ``model``, add metadata, run ``config["passes"]`` in file order, save the transformed model.

    Args:
        model: fx-traceable module; it is moved to the CPU and put into eval mode.
        model_info: facts about the model.
        data_module: its first training batch is the example input.
        task: such as "classification".
        config: the whole TOML as a mapping, or its path.
        save_dir: receives ``transformed_ckpt/{graph_module.mz, state_dict.pt, node_meta_param.toml}`` and
            what the passes write.
        load_name, load_type: checkpoint to load first; its type is found in the file where it is None.
        accelerator: kept for MASE's interface; passes look at one batch, on the CPU.
        model_name, dataset_info: MASE's further keywords; not needed.
        validate_only: check everything against the graph and stop; nothing is written.

    Returns:
        The graph after the passes.

    Raises:
        ConfigError: no passes, an unknown pass, arguments that do not suit the pass or the graph.
    """
    from chop.passes import PASSES
    from chop.tools.config_load import load_config

    whole = config if isinstance(config, Mapping) else load_config(config)
    passes = whole.get("passes") or {}
    if not passes:
        raise ConfigError("passes: transform needs at least one table [passes.NAME] in the config")
    check_tables(passes)
    if load_name is not None:
        model = load_transformed(load_name, load_type, model)
    model = model.eval().cpu()
    context = _context(model, model_info, data_module, task, Path(save_dir))
    graph = context.fresh_graph()
    _check_passes(graph, passes, context)
    if validate_only:
        return graph
    graph = _run_passes(graph, passes, context)
    folder = Path(save_dir) / "transformed_ckpt"
    PASSES["save_mase_graph"](graph, folder)
    logger.info("Saved the transformed model in %s", folder)
    return graph


def check_passes(graph: MaseGraph, passes: Mapping[str, Any]) -> None:
    """Check a ``[passes]`` table that is not to be run against a graph; files that passes would read are not looked at.

    Raises:
        ConfigError, UnknownNameError: as :func:`transform`.
    """
    check_tables(passes)
    for name, args in passes.items():
        if step_of(name).reads is None:
            step_of(name).check(graph, dict(args))


def _check_passes(graph: MaseGraph, passes: Mapping[str, Any], context: Context) -> None:
    """Check all passes before one runs; a file that an earlier pass will write need not be there yet."""
    made: set[Path] = set()
    for name, args in passes.items():
        step = step_of(name)
        arguments = step.prepare(dict(args), context) if step.writes or step.reads else dict(args)
        if step.reads is None or Path(str(arguments.get(step.reads))) not in made:
            step.check(graph, arguments if step.reads else dict(args))
        if step.writes:
            made.add(Path(str(arguments[step.writes])))


def _context(model: nn.Module, model_info: Any, data_module: Any, task: str, save_dir: Path) -> Context:
    from chop.ir.graph import MaseGraph
    from chop.tools.get_input import get_dummy_input

    batch = get_dummy_input(model_info=model_info, data_module=data_module, task=task)
    inputs = [str(node.target) for node in MaseGraph(model).fx_graph.nodes if node.op == "placeholder"]
    if len(inputs) == 1:
        # The data module calls its batch "x", whatever the model's forward calls it.
        batch = {inputs[0]: next(iter(batch.values()))}
    return Context(save_dir, batch, lambda: _graph_with_metadata(model, batch), data_module, model_info, task)


def _graph_with_metadata(model: nn.Module, dummy_in: Mapping[str, Tensor]) -> MaseGraph:
    from chop.ir.graph import MaseGraph
    from chop.passes.graph import (
        add_common_metadata_analysis_pass,
        add_software_metadata_analysis_pass,
        init_metadata_analysis_pass,
    )

    graph = MaseGraph(model)
    graph, _ = init_metadata_analysis_pass(graph, None)
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": dict(dummy_in), "add_value": False})
    graph, _ = add_software_metadata_analysis_pass(graph, None)
    return graph


def _run_passes(graph: MaseGraph, passes: Mapping[str, Any], context: Context) -> MaseGraph:
    known = known_passes()
    for name, args in passes.items():
        logger.info("Running pass %s", name)
        step = step_of(name)
        if not step.replaces:
            # The pass that counts operations returns two figures before its table.
            graph, *found = known[name](graph, step.prepare(dict(args), context))
            if any(found):
                logger.info("%s: %s", name, ", ".join(map(str, found)))
        step.after(graph, context)
    return graph


def load_transformed(load_name: str | os.PathLike[str], load_type: str | None, model: nn.Module) -> nn.Module:
    """Load a checkpoint into ``model``; one that holds a graph comes back as that graph, quantized or not.

    Returns:
        ``model`` itself, or the graph module of the file.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: an unreadable checkpoint, or one of another model.
    """
    from chop.tools.checkpoint_load import find_load_type, load_model, read_mz

    kind = find_load_type(load_name, load_type)
    if kind != "mz" or not _has_other_widths(Path(load_name), model):
        model = load_model(load_name, load_type, model)
    if kind != "mz" or "graph" not in read_mz(load_name)[1]:
        return model
    from chop.ir.graph import MaseGraph
    from chop.passes.graph import load_mase_graph_interface_pass

    graph, _ = load_mase_graph_interface_pass(MaseGraph(model), Path(load_name))
    logger.info("%s holds a graph: it comes back as it was saved", load_name)
    return graph.model


def load_float(load_name: str | os.PathLike[str], load_type: str | None, model: nn.Module) -> nn.Module:
    """Load the weights of a checkpoint into ``model``, without its quantization: what a search starts from.

    Returns:
        ``model`` itself, or the float model of the file where its layers were redefined.

    Raises:
        FileNotFoundError, ConfigError: as :func:`load_transformed`.
    """
    from chop.tools.checkpoint_load import find_load_type, load_model

    if find_load_type(load_name, load_type) != "mz" or not _has_other_widths(Path(load_name), model):
        return load_model(load_name, load_type, model)
    from chop.ir.graph import MaseGraph
    from chop.passes.graph import quantize_transform_pass

    nothing = {"by": "name", "default": {"config": {"name": None}}}
    return quantize_transform_pass(MaseGraph(load_transformed(load_name, load_type, model)), nothing)[0].model


def _has_other_widths(path: Path, model: nn.Module) -> bool:
    """True for a file with a graph of the same tensors in other shapes: the model redefined, which it holds whole."""
    from chop.tools.checkpoint_load import read_mz

    if not path.is_file():
        return False
    state, extra = read_mz(path)
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    other = {name: tensor.shape for name, tensor in state.items()}
    return "graph" in extra and own.keys() == other.keys() and own != other
