"""Lowering rules of functions of single numbers, beyond those that every model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import fx

from chop.ir.graph.lowering_call import Call, Lowered, LoweringRule

# What torch computes by arithmetic; its other powers come from a library.
_POWERS = (-2.0, -1.0, -0.5, 1.0, 2.0, 3.0)
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _same(call: Call) -> Lowered:
    return call.lowered()


def _gelu(call: Call) -> Lowered:
    return call.lowered("gelu_tanh" if call.get("approximate", "none") == "tanh" else "gelu")


def _elu(alpha: float, scale: float, input_scale: Callable[[float], float]) -> Callable[[Call], Lowered]:
    """Exponential units: ``scale * (x if x > 0 else alpha * (exp(input_scale * x) - 1))``."""

    def make(call: Call) -> Lowered:
        found = float(call.get("alpha", alpha))
        return call.lowered("elu", None, alpha=found, scale=scale, input_scale=input_scale(found))

    return make


def _softplus(call: Call) -> Lowered:
    return call.lowered(beta=float(call.get("beta", 1.0)), threshold=float(call.get("threshold", 20.0)))


def _prelu(call: Call) -> Lowered:
    return call.lowered(None, call.tensors("weight"))


def _clamp(call: Call) -> Lowered:
    bounds = {name: call.get(name) for name in ("min", "max")}
    given = {name: float(value) for name, value in bounds.items() if value is not None}
    return call.lowered("clamp" if len(given) == 2 else f"clamp_{next(iter(given))}", None, **given)


def _power(call: Call) -> Lowered:
    exponent = call.get("exponent")
    if isinstance(exponent, bool) or not isinstance(exponent, (int, float)):
        raise ValueError(f"lower: node {call.node.name} (pow) needs a number as exponent, got {exponent!r}")
    if exponent not in (*_POWERS, 0.5):
        known = ", ".join(f"{e:g}" for e in sorted((*_POWERS, 0.5)))
        raise ValueError(
            f"lower: node {call.node.name} (pow): the core knows the exponents {known}; got {exponent}"
        )
    if exponent == 0.5:
        return call.lowered("sqrt")
    return call.lowered("pow_scalar", None, exponent=float(exponent))


def _square(call: Call) -> Lowered:
    return call.lowered("pow_scalar", None, exponent=2.0)


def _extreme(call: Call) -> Lowered:
    operands = call.arguments.get("input"), call.arguments.get("other")
    if not all(isinstance(operand, fx.Node) for operand in operands):
        raise ValueError(f"lower: node {call.node.name} ({call.mase_op}) needs two tensors")
    return Lowered(call.mase_op, [call.named(operand) for operand in operands])


def _bound(name: str) -> Callable[[Call], Lowered]:
    return lambda call: call.lowered(None, None, **{name: float(call.get(name))})


FUNCTION_RULES: Mapping[str, LoweringRule] = {
    **{
        op: LoweringRule(_same)
        for op in ("mish", "softsign", "logsigmoid", "abs", "exp", "log", "sqrt", "rsqrt")
    },
    "gelu": LoweringRule(_gelu, ops=("gelu", "gelu_tanh")),
    "softplus": LoweringRule(_softplus, "input beta threshold"),
    "elu": LoweringRule(_elu(1.0, 1.0, lambda _: 1.0), "input alpha"),
    "celu": LoweringRule(_elu(1.0, 1.0, lambda alpha: 1.0 / alpha), "input alpha", ("elu",)),
    "selu": LoweringRule(_elu(_SELU_ALPHA, _SELU_SCALE, lambda _: 1.0), ops=("elu",)),
    "prelu": LoweringRule(_prelu, "input weight"),
    "clamp": LoweringRule(_clamp, "input min max", ("clamp", "clamp_min", "clamp_max")),
    "clamp_min": LoweringRule(_bound("min"), "input min"),
    "clamp_max": LoweringRule(_bound("max"), "input max"),
    "pow": LoweringRule(_power, "input exponent", ("pow_scalar", "sqrt")),
    "square": LoweringRule(_square, ops=("pow_scalar",)),
    "minimum": LoweringRule(_extreme, "input other"),
    "maximum": LoweringRule(_extreme, "input other"),
}
