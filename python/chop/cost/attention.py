"""Products of attention, in its functional form and as a layer."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from chop.cost.work import RULES, Applied, Product, Work, products

SOFTMAX_AND_SCALE = 6


def scaled_dot_product(query: Tensor, key: Tensor, value: Tensor, masked: bool) -> Work:
    """Return the work of attention.

    Args:
        query: shape [..., L, E].
        key, value: shapes [..., S, E] and [..., S, V]; a causal mask leaves nothing out.
        masked: whether a mask is added to the scores.
    """
    rows, keys = query.numel() // query.shape[-1], key.shape[-2]
    scores = rows * keys
    return products(
        Product.of(scores, query.shape[-1]),
        Product.of(rows * value.shape[-1], keys),
        more=(SOFTMAX_AND_SCALE + masked) * scores,
    )


def _functional(call: Applied) -> Work:
    query, key, value = (call.operand(i, name) for i, name in enumerate(("query", "key", "value")))
    return scaled_dot_product(query, key, value, call.get("attn_mask", 3) is not None)


def _layer(call: Applied) -> Work:
    """``nn.MultiheadAttention``, and the function that it calls."""
    query, key, value = (call.operand(i, name) for i, name in enumerate(("query", "key", "value")))
    found: Any = call.module
    if found is not None:
        biased, out_biased = found.in_proj_bias is not None, found.out_proj.bias is not None
        more_keys = (found.bias_k is not None) + found.add_zero_attn
        heads, batch_at = found.num_heads, 0 if found.batch_first else 1
        masked = call.kwargs.get("attn_mask", call.args[5] if len(call.args) > 5 else None) is not None
    else:
        given = inspect.signature(F.multi_head_attention_forward).bind(*call.args, **call.kwargs).arguments
        biased, out_biased = given["in_proj_bias"] is not None, given["out_proj_bias"] is not None
        more_keys = (given["bias_k"] is not None) + bool(given["add_zero_attn"])
        heads, batch_at = given["num_heads"], 1
        masked = given.get("attn_mask") is not None
    width = query.shape[-1]
    batch = 1 if query.dim() == 2 else query.shape[batch_at]
    rows, keys = query.numel() // width, key.numel() // key.shape[-1]
    attended = keys // batch + more_keys
    scores = rows * heads * attended
    return products(
        Product.of(rows * width, width, biased),
        Product.of(keys * width, key.shape[-1], biased),
        Product.of(keys * width, value.shape[-1], biased),
        Product.of(scores, width // heads),
        Product.of(rows * width, attended),
        Product.of(rows * width, width, out_biased),
        more=(SOFTMAX_AND_SCALE + masked) * scores,
    )


RULES.update(attention=_functional, scaled_dot_product_attention=_functional)
RULES.update(multihead_attention=_layer, multi_head_attention_forward=_layer)
