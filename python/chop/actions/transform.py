"""``ch transform``: run the passes of a config on a model's graph and save the outcome."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.actions.pass_steps import Context, check_tables, step_of
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
    load_type: str = "mz",
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
        load_name, load_type: checkpoint to load first.
        accelerator: kept for MASE's interface; passes look at one batch, on the CPU.
        model_name, dataset_info: MASE's further keywords; not needed.
        validate_only: check everything against the graph and stop; nothing is written.

    Returns:
        The graph after the passes.

    Raises:
        ConfigError: no passes, an unknown pass, arguments that do not suit the pass or the graph.
    """
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
    for name, args in passes.items():
        step_of(name).check(graph, dict(args))
    if validate_only:
        return graph
    graph = _run_passes(graph, passes, context)
    _save(graph, passes, Path(save_dir) / "transformed_ckpt")
    return graph


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
    from chop.passes import PASSES

    for name, args in passes.items():
        logger.info("Running pass %s", name)
        step = step_of(name)
        if not step.replaces:
            graph, found = PASSES[name](graph, step.prepare(dict(args), context))
            if found:
                logger.info("%s: %s", name, found)
        step.after(graph, context)
    return graph


def _save(graph: MaseGraph, passes: Mapping[str, Any], folder: Path) -> None:
    """Weights in safetensors with the quantize tables beside them, and a plain state dict for others."""
    import torch

    from chop.passes.graph import save_node_meta_param_interface_pass
    from chop.tools.atomic_write import atomic_write
    from chop.tools.checkpoint_load import save_mz

    extra = {"quantize": dict(passes["quantize"])} if "quantize" in passes else {}
    save_mz(graph.model, folder / "graph_module.mz", extra=extra)
    buffer = io.BytesIO()
    torch.save({name: tensor.cpu() for name, tensor in graph.model.state_dict().items()}, buffer)
    atomic_write(folder / "state_dict.pt", buffer.getvalue())
    save_node_meta_param_interface_pass(graph, {"save_path": str(folder / "node_meta_param.toml")})
    logger.info("Saved the transformed model in %s", folder)


def load_transformed(load_name: str | os.PathLike[str], load_type: str, model: nn.Module) -> nn.Module:
    """Load a checkpoint into ``model``; one that ``transform`` wrote after quantizing comes back quantized.

    Returns:
        ``model`` itself, or a quantized graph module around its layers.

    Raises:
        FileNotFoundError: no such file.
        ConfigError: an unreadable checkpoint, or one of another model.
    """
    from chop.tools.checkpoint_load import load_model, read_mz

    model = load_model(load_name, load_type, model)
    config = read_mz(load_name)[1].get("quantize") if load_type == "mz" else None
    if not config:
        return model
    from chop.ir.graph import MaseGraph
    from chop.passes.graph import quantize_transform_pass

    graph, _ = quantize_transform_pass(MaseGraph(model), config)
    logger.info("%s holds a quantized model: its quantize table is applied again", load_name)
    return graph.model
