"""torch.ops.chop.integer_quantize_elements under everything that torch does with an operator."""

from __future__ import annotations

import pytest
import torch
from torch import library

import chop  # noqa: F401  loads the operator

OP = torch.ops.chop.integer_quantize_elements


def ints(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_opcheck(dtype: torch.dtype, requires_grad: bool) -> None:
    widths, fracs = ints(4, 0, 8, 6), ints(2, 0, -3, 5)
    for x in (
        torch.randn(6, 4, dtype=dtype),
        torch.randn(4, 6, dtype=dtype).t(),
        torch.randn(0, 4, dtype=dtype),
    ):
        x.requires_grad_(requires_grad)
        library.opcheck(OP, (x, widths.view(1, 4), fracs.view(1, 4), True))
        library.opcheck(OP, (x, widths.view(1, 4), fracs.view(1, 4), False, 2, 1))
        full = widths.expand(x.shape).contiguous(), fracs.expand(x.shape).contiguous()
        library.opcheck(OP, (x, *full, True, 1))


@pytest.mark.parametrize("modes", [(), (0, 1), (1,), (1, 1), (2, 0), (2, 1)])
def test_vmap_over_each_operand(modes: tuple[int, ...]) -> None:
    x = torch.randn(3, 5, 4) * 8
    widths = torch.randint(0, 9, (3, 1, 4), dtype=torch.int32)
    fracs = torch.randint(-2, 6, (3, 1, 4), dtype=torch.int32)
    expected = torch.stack([OP(a, w, f, True, *modes) for a, w, f in zip(x, widths, fracs, strict=True)])
    found = torch.func.vmap(lambda a, w, f: OP(a, w, f, True, *modes))(x, widths, fracs)
    assert torch.equal(found, expected)
    one = torch.func.vmap(lambda a: OP(a, widths[0], fracs[0], True, *modes), in_dims=1, out_dims=1)(
        x.transpose(0, 1)
    )
    assert torch.equal(one[:, 0], OP(x[0], widths[0], fracs[0], True, *modes))
    same = torch.func.vmap(lambda w: OP(x[0], w, fracs[0], True, *modes))(widths)
    assert torch.equal(same[1], OP(x[0], widths[1], fracs[0], True, *modes))


@pytest.mark.parametrize(
    ("x", "widths", "fracs", "modes", "message"),
    [
        (torch.zeros(2), ints(33, 1), ints(0, 0), (), "width must be 1..32, got 33"),
        (torch.zeros(2), ints(-1, 1), ints(0, 0), (), "width must be 1..32, got -1"),
        (torch.zeros(2), ints(4, 1), ints(-65, 0), (), "frac_width must be -64..64, got -65"),
        (torch.zeros(2), ints(4, 1, 2), ints(0, 0, 0), (), "dimension 0 of the widths must be 1 or 2, got 3"),
        (torch.zeros(2, 2), ints(4, 1), ints(0, 0), (), "as many dimensions as x"),
        (torch.zeros(2), ints(4, 1), ints(0), (), "must have one shape"),
        (torch.zeros(2), ints(4, 1).long(), ints(0, 0), (), "must be int32 on the CPU"),
        (torch.zeros(2, dtype=torch.float16), ints(4, 1), ints(0, 0), (), "x must be float32 or float64"),
        (torch.zeros(2), ints(4, 1), ints(0, 0), (3,), "rounding must be 0"),
        (
            torch.zeros(2, 2, 2),
            ints(4, 1, 2, 3).view(2, 1, 2),
            ints(0, 0, 0, 0).view(2, 1, 2),
            (),
            "must lie side by side",
        ),
    ],
)
def test_bad_input_is_a_value_error(x, widths, fracs, modes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OP(x, widths, fracs, True, *modes)
