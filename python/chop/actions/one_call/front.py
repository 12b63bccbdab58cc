"""What one call finds: a front of models, each with its config, figures and weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from chop.nn.quantizers.short_form import short_rules
from chop.tools.text_tables import html_table, number, text_table


@dataclass(frozen=True)
class Found:
    """One model of the front.

    Attributes:
        config: the quantize config, for the evaluator, the passes and :func:`chop.quantize`.
        figures: metric or cost -> value, on the rows that were given.
        trained: whether its weights were trained through the quantizers; else they are the model's own.
    """

    config: Mapping[str, Any]
    figures: Mapping[str, float]
    trained: bool = False
    _base: nn.Module = field(default_factory=nn.Identity, repr=False)
    _weights: Mapping[str, Tensor] | None = field(default=None, repr=False)

    @property
    def float_model(self) -> nn.Module:
        """A copy of the model before it is quantized, with the weights that it is to have."""
        model = copy.deepcopy(self._base)
        if self._weights is not None:
            model.load_state_dict(dict(self._weights))
        return model.eval()

    @property
    def model(self) -> nn.Module:
        """The quantized torch model, a new one each time."""
        from chop.passes.quantize_model import quantize

        return quantize(self.float_model, self.config)


@dataclass(frozen=True, repr=False)
class Front(Sequence[Found]):
    """What :func:`search_formats` found, best quality first: a sequence of :class:`Found`.

    Attributes:
        found: the models that no other beats. float_figures: figures of the float model.
        objectives: name -> "maximize" or "minimize". tried: what the front is the front of, in words.
    """

    found: tuple[Found, ...]
    float_figures: Mapping[str, float]
    objectives: Mapping[str, str]
    tried: str

    def __getitem__(self, place: Any) -> Any:
        return self.found[place]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Found]:
        return iter(self.found)

    def __repr__(self) -> str:
        return f"{self.tried}\n{text_table(*self._table())}"

    def _repr_html_(self) -> str:
        return html_table(*self._table(), self.tried)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        names = list(self.float_figures)
        formats = [short_rules(each.config) for each in self.found]
        layers = list(dict.fromkeys(key for row in formats for key in row))
        rows = [["float", *(number(self.float_figures[n], 5) for n in names), *("float" for _ in layers)]]
        for place, (each, rules) in enumerate(zip(self.found, formats, strict=True)):
            label = f"{place} trained" if each.trained else str(place)
            cells = [number(each.figures[name], 5) for name in names]
            rows.append([label, *cells, *(rules.get(layer, "float") for layer in layers)])
        return ["#", *names, *layers], rows
