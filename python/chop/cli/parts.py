"""Model, data and weights of a run, from the options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chop.cli.checks import task_of, usable_accelerator
from chop.cli.options import Options
from chop.cli.quantize_file import read_quantize_config
from chop.pool import Source
from chop.tools.errors import ConfigError
from chop.tools.logger import get_logger

if TYPE_CHECKING:
    from torch import nn

logger = get_logger(__name__)


@dataclass
class Parts:
    """What every action gets: all of it built and checked, nothing written yet."""

    model: nn.Module
    model_info: Any
    data_module: Any
    dataset_info: Any
    task: str
    accelerator: str
    source: Source | None = None  # what a worker builds the same from

    def keywords(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "model_info": self.model_info,
            "data_module": self.data_module,
            "dataset_info": self.dataset_info,
            "task": self.task,
        }


def check_names(options: Options) -> None:
    """Look the model and the data set up.

    Raises:
        UnknownNameError: one is not registered.
        ConfigError: a data set that is what its file holds, without that file.
    """
    from chop.dataset import get_dataset_info
    from chop.models import get_model_info

    get_model_info(str(options.model))
    names = ("data_dir", "data_file", "data_sha256", "max_unpacked_mb")
    get_dataset_info(str(options.dataset), **{name: getattr(options, name) for name in names})


def build(action: str, options: Options) -> Parts:
    """Load the data, build the model, load its weights.

    Raises:
        ConfigError: data or a checkpoint that cannot be used.
        FileNotFoundError: data files that are missing.
    """
    from chop.models import get_model_info

    accelerator = usable_accelerator(options.accelerator)
    data_module = _data_module(options)
    data_module.prepare_data()
    data_module.setup()
    logger.info("Data: %s", data_module.describe())
    dataset_info = data_module.dataset_info
    model = build_model(action, options, dataset_info)
    info = get_model_info(str(options.model))
    return Parts(model, info, data_module, dataset_info, task_of(options), accelerator)


def _data_module(options: Options) -> Any:
    from chop.dataset import MaseDataModule

    names = ("data_dir", "data_file", "class_order", "split", "scaler", "data_sha256", "max_unpacked_mb")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return MaseDataModule(
        name=str(options.dataset),
        batch_size=options.batch_size,
        num_workers=options.num_workers,
        max_token_len=options.max_token_len,
        tokenizer=None,
        load_from_cache_file=not options.disable_dataset_cache,
        model_name=options.model,
        **given,
    )


def build_model(action: str, options: Options, dataset_info: Any) -> nn.Module:
    """Build the model, load its weights, and quantize it where --quant-config says so.

    Raises:
        ConfigError: a checkpoint or a quantization config that does not suit the model.
    """
    from chop.models import get_model

    model = get_model(
        str(options.model),
        task=task_of(options),
        dataset_info=dataset_info,
        pretrained=options.is_pretrained and options.load_name is None,
    )
    if options.load_name is not None:
        model = _load(action, options, model)
    if options.quant_config is None:
        return model
    if action not in ("train", "test"):
        raise ConfigError(f"quant_config is for train and test; {action} reads the tables of its config")
    return _quantized(model, str(options.quant_config), learned=options.learn_widths is not None)


def _quantized(model: nn.Module, path: str, learned: bool) -> nn.Module:
    """The model with a trial's weights, quantized unless widths are to be learned from there."""
    from chop.ir.graph import MaseGraph
    from chop.passes.graph import quantize_transform_pass

    chosen = read_quantize_config(path, None, None, None)
    assert chosen is not None
    training = model.training
    if chosen.weights is not None:
        logger.info("Weights: %s, trained by the search", chosen.weights.path)
        chosen.weights.load_into(model)
    if learned:
        return model
    try:
        graph, _ = quantize_transform_pass(MaseGraph(model), chosen.config)
    except KeyError as error:
        raise ConfigError(f"quant_config: {path} lacks {error}") from None
    return graph.model.train(training)


def _load(action: str, options: Options, model: nn.Module) -> nn.Module:
    from chop.tools.checkpoint_load import find_load_type

    kind = find_load_type(str(options.load_name), options.load_type)
    logger.info("Loading %s (%s)", options.load_name, kind)
    quantized = Path(str(options.load_name)).with_name("graph_module.mz")
    if kind == "pt" and quantized.is_file():
        logger.warning(
            "%s is loaded into the float model, without formats; the transformed model is %s",
            options.load_name,
            quantized,
        )
    if action == "search":
        # A search starts from the float weights: it tries its own quantization.
        from chop.actions.transform import load_float

        return load_float(str(options.load_name), options.load_type, model)
    from chop.actions.transform import load_transformed

    return load_transformed(str(options.load_name), options.load_type, model)


def check_rows(options: Options, parts: Parts) -> None:
    """Raise ConfigError where the model does not take the rows, or gives fewer outputs than there are classes."""
    import torch

    x, _ = parts.data_module.arrays("val")
    was_training = parts.model.training
    try:
        with torch.no_grad():
            outputs = parts.model.eval()(x[:2])
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0]
        shape = list(x.shape[1:])
        raise ConfigError(f"model {options.model!r} does not take rows of shape {shape}: {reason}") from None
    finally:
        parts.model.train(was_training)
    classes = parts.dataset_info.num_classes
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or outputs.shape[1] < classes:
        found = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise ConfigError(
            f"model {options.model!r} gives {found} for 2 rows, "
            f"but data set {options.dataset!r} has {classes} classes"
        )
