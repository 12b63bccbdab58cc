"""Parameters that several layers share: what is one tensor before a pass replaces layers is one tensor after it."""

from __future__ import annotations

from torch import nn

from chop.ir.graph import MaseGraph
from chop.ir.graph.mase_graph import copy_module
from chop.nn.quantized.quantized_module import QuantizedModule


class Ties:
    """The shared parameters of a graph, noted before its layers are replaced.

    Attributes:
        groups: lists of names of one parameter each, those with several names only.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> model[1].weight = model[0].weight
    >>> Ties(MaseGraph(model)).groups
    [['0.weight', '1.weight']]
    """

    def __init__(self, graph: MaseGraph) -> None:
        names: dict[int, list[str]] = {}
        for name, parameter in graph.model.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), []).append(name)
        self._before = {name: key for key, group in names.items() for name in group}
        self.groups = [group for group in names.values() if len(group) > 1]

    def tie(self, graph: MaseGraph) -> None:
        """Make the parameters of each group one again: that of a new layer, else the one that replaced the old.

        A layer of the user's own that has to take a new parameter is copied first; ``graph.float_modules`` keeps it.
        """
        for group in self.groups:
            found = {name: graph.model.get_parameter(name) for name in group}
            if len({id(parameter) for parameter in found.values()}) == 1:
                continue
            new = [name for name in group if id(found[name]) != self._before[name]]
            chosen = found[next((name for name in new if _is_quantized(graph, name)), new[0])]
            for name, parameter in found.items():
                if parameter is not chosen:
                    _set(graph, name, chosen)


def _is_quantized(graph: MaseGraph, name: str) -> bool:
    return isinstance(graph.model.get_submodule(name.rpartition(".")[0]), QuantizedModule)


def _set(graph: MaseGraph, name: str, parameter: nn.Parameter) -> None:
    path, _, attribute = name.rpartition(".")
    layer = next(
        (str(n.target) for n in graph.nodes if n.op == "call_module" and _inside(path, str(n.target))), None
    )
    if layer is not None:
        module = graph.model.get_submodule(layer)
        if not isinstance(module, QuantizedModule) and module is not graph.tied_copies.get(layer):
            graph.float_modules[layer] = module
            graph.tied_copies[layer] = copy_sharing(module)
            graph.model.set_submodule(layer, graph.tied_copies[layer])
    graph.model.get_submodule(path)._parameters[attribute] = parameter


def _inside(path: str, layer: str) -> bool:
    return path == layer or path.startswith(f"{layer}.")


def copy_sharing(module: nn.Module) -> nn.Module:
    """Copy a module that shares its parameters and buffers with the copy."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy_module(module, {id(tensor): tensor for tensor in tensors})
