"""NumPy arrays of every kind wherever a tensor is taken: the same numbers come out."""

import numpy as np
import pytest
import torch
from torch import nn

import chop
from chop.actions.search.runners.basic_evaluation import rows_digest
from chop.dataset import DATASETS, MaseDataModule, register_dataset
from chop.ir.graph import MaseGraph
from chop.metrics import METRICS, score
from chop.passes.graph import (
    add_common_metadata_analysis_pass,
    init_metadata_analysis_pass,
    profile_statistics_analysis_pass,
)
from chop.passes.graph.analysis.flop_estimator.calculator.calc_modules import calculate_modules
from chop.passes.graph.analysis.statistical_profiler import create_new_stat
from chop.tools.errors import ConfigError
from chop.tools.tensors import as_tensor, cast, tensors_in
from chop.training import fit
from chop.training.native import NativeTrainer
from chop.training.scores import evaluate

ROWS = 24
X = np.random.default_rng(0).integers(-40, 40, (ROWS, 6)) / 16  # the same number in any float format
Y = np.arange(ROWS) % 3
FORMAT = {
    "name": "integer",
    "data_in_width": 8,
    "data_in_frac_width": 4,
    "weight_width": 6,
    "weight_frac_width": 3,
}
WIDTHS = {"data_in": [(6, 3)], "weight": [(3, 1)]}
INTEGER = {"by": "type", "default": {"config": {"name": None}}, "linear": {"config": FORMAT}}


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def readonly(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array):
    row = np.zeros(array.shape, np.dtype([("pad", "u1"), ("value", array.dtype)]))
    row["value"] = array
    return row["value"]


LAYOUTS = {
    "plain": lambda a: a,
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 3, axis=0)[::3],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "transposed": lambda a: a.T.copy().T,
    "readonly": readonly,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": unaligned,
}
FLOATS = ("f2", "f4", "f8", "g")
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def profiled(x, key):
    graph, _ = init_metadata_analysis_pass(MaseGraph(model().eval()))
    graph, _ = add_common_metadata_analysis_pass(graph, {"dummy_in": {"input": x}})
    graph, _ = profile_statistics_analysis_pass(
        graph,
        {
            "by": "type",
            "target_activation_nodes": ["relu"],
            "activation_statistics": {"moments": {"dims": "all"}},
            "input_generator": [{"input": x} if key else x],
            "num_samples": ROWS,
        },
    )
    node = next(n for n in graph.nodes if n.name == "_1")
    return node.meta["mase"]["software"]["args"]["data_in_0"]["stat"]["moments"]


def trained(x, y):
    trainer = NativeTrainer(model(), x, y, optimizer="sgd")
    trainer.epoch(8, learning_rate=0.1, order=as_like(x, np.arange(ROWS)[::-1].copy()))
    return [*trainer.state_dict().values(), torch.tensor(trainer.evaluate(x, y).loss)]


def as_like(x, array):
    return torch.from_numpy(array) if isinstance(x, torch.Tensor) else array


def fitted(x, y):
    net = model()
    fit(
        net,
        {"train": (x, y), "val": (x, y)},
        classes=3,
        batch_size=8,
        learning_rate=0.1,
        trainer_args={"max_epochs": 1},
    )
    return list(net.state_dict().values())


def registered(x, y):
    register_dataset("rows-as-given", num_features=6, num_classes=3)(lambda request: (x, y))
    try:
        return list(MaseDataModule("rows-as-given", 8, split="all").arrays("train"))
    finally:
        del DATASETS["rows-as-given"]


#: Every public function that takes rows; those of one argument get x alone.
DOORS = {
    "Evaluator.evaluate": lambda x, y: chop.Evaluator(model(), x, y).evaluate(INTEGER),
    "Evaluator.forward": lambda x, y: chop.Evaluator(model(), x).forward(INTEGER),
    "Evaluator.certificate": lambda x, y: chop.Evaluator(model(), x, y).certificate(INTEGER),
    "best_formats": lambda x, y: chop.best_formats(chop.Evaluator(model(), x), 6).config,
    "sensitivity": lambda x, y: [
        (row.loss, row.accuracy) for row in chop.sensitivity(chop.Evaluator(model(), x, y), WIDTHS).rows
    ],
    "compare": lambda x, y: str(chop.compare(model(), model()[:2], cast32(x)).rows),
    "score": lambda x, y: score(x[:, :3], y, ["accuracy", "loss", "output_mse"], reference=x[:, 3:]),
    "METRICS.compute": lambda x, y: METRICS["accuracy"]().compute(x[:, :3], y),
    "NativeTrainer": trained,
    "training.fit": fitted,
    "training.scores.evaluate": lambda x, y: evaluate(model(), [(cast32(x), y64(y))], 3, torch.device("cpu")).loss,
    "statistics": lambda x, y: stat(x),
    "profile, named": lambda x, y: profiled(cast32(x), True),
    "profile, bare": lambda x, y: profiled(cast32(x), False),
    "calculate_modules": lambda x, y: calculate_modules(nn.Linear(6, 5), x, [x[:, :5]], "float", 32),
    "register_dataset": registered,
}  # fmt: skip


def cast32(x):
    """These run the model in torch, which wants its own dtype."""
    return (
        x.to(torch.float32)
        if isinstance(x, torch.Tensor)
        else x.astype(x.dtype.newbyteorder("=")).astype("f4")
    )


def y64(y):
    return y.to(torch.int64) if isinstance(y, torch.Tensor) else y.astype("i8")


def stat(x):
    found = create_new_stat("moments", dims="all")
    found.update_a_sample(x)
    return found.compute()


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return value if isinstance(value, (int, float, str)) else repr(value)


@pytest.fixture(scope="module")
def expected():
    return {
        name: plain(door(torch.tensor(X, dtype=torch.float32), torch.tensor(Y)))
        for name, door in DOORS.items()
    }


@pytest.mark.filterwarnings("error:The given NumPy array")
@pytest.mark.parametrize("name", DOORS)
def test_arrays_are_as_good_as_tensors(name, expected):
    for layout in LAYOUTS.values():
        assert plain(DOORS[name](layout(X.astype("f4")), layout(Y.astype("i8")))) == expected[name]
    for dtype in FLOATS:
        assert plain(DOORS[name](X.astype(dtype), Y)) == expected[name], dtype
    for dtype in INTEGERS:
        assert plain(DOORS[name](X.astype("f4"), Y.astype(dtype))) == expected[name], dtype


@pytest.mark.parametrize(
    "odd", [[[1.0, 2.0]], "x", 5, np.array(["a"]), np.array([None]), np.zeros(3, "M8[s]"), object()]
)
def test_what_is_neither_names_the_argument(odd):
    for call, name in (
        (lambda: chop.Evaluator(model(), odd), "Evaluator: x"),
        (lambda: chop.Evaluator(model(), X, odd), "Evaluator: y"),
        (lambda: score(odd, Y), "score: logits"),
        (lambda: score(X, odd), "score: y"),
        (lambda: score(X, Y, reference=odd), "score: reference"),
        (lambda: NativeTrainer(model(), odd, Y), "training: x"),
        (lambda: NativeTrainer(model(), X, odd), "training: y"),
        (
            lambda: fit(model(), {"train": (odd, Y), "val": (X, Y)}, classes=3, batch_size=8),
            "data: x of 'train'",
        ),
    ):
        with pytest.raises(TypeError, match=f"^{name} must be a tensor or a NumPy array of numbers, got"):
            call()


def test_masked_values_are_no_numbers():
    with pytest.raises(ConfigError, match="Evaluator: x has masked values"):
        chop.Evaluator(model(), np.ma.masked_array(X, X > 2))
    assert as_tensor(np.ma.masked_array(X, False), "x").shape == (ROWS, 6)


@pytest.mark.parametrize("number", [1e300, -1e39, 3.5e38])
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_doubles_beyond_float32_do_not_become_infinities(number, kind):
    x = X.copy()
    x[3, 2] = number
    rows = kind(x)
    for call in (
        lambda: chop.Evaluator(model(), rows),
        lambda: score(rows, Y),
        lambda: score(X, Y, ["output_mse"], reference=rows),
        lambda: NativeTrainer(model(), rows, Y),
    ):
        with pytest.raises(ConfigError, match=r"\[3, 2\] is .* more than float32 holds"):
            call()
    huge = model().double()
    with torch.no_grad():
        huge[0].weight[1, 1] = number
    for call in (lambda: NativeTrainer(huge, X, Y), lambda: chop.Evaluator(huge, X)):
        with pytest.raises(ConfigError, match="more than float32 holds"):
            call()


def test_infinities_and_nan_stay_what_they_are():
    x = X.copy()
    x[0, 0], x[1, 1], x[2, 2] = np.inf, -np.inf, np.nan
    found = cast(torch.from_numpy(x), torch.float32, "x")
    assert torch.equal(found.nan_to_num(7), torch.from_numpy(x).float().nan_to_num(7))
    x[3, 3] = 1e200  # beside them
    with pytest.raises(ConfigError, match=r"x\[3, 3\] is 1e\+200"):
        cast(torch.from_numpy(x), torch.float32, "x")
    assert cast(torch.tensor([65504.0]), torch.float16, "x").item() == 65504
    with pytest.raises(ConfigError, match="float16"):
        cast(torch.tensor([1e5]), torch.float16, "x")
    with pytest.raises(ConfigError, match="complex"):
        cast(torch.tensor([1j]), torch.float32, "x")


def test_nested_values():
    found = tensors_in([X, (Y, {"a": Y, "b": "text"}), None, 3], "x")
    assert isinstance(found[0], torch.Tensor) and isinstance(found[1][1]["a"], torch.Tensor)
    assert found[1][1]["b"] == "text" and found[2:] == [None, 3]
    with pytest.raises(TypeError, match=r"x\[1\]\['a'\] must be"):
        tensors_in([X, {"a": np.array(["text"])}], "x")


def test_digests_do_not_see_where_rows_come_from():
    rows = [get_rows(torch.from_numpy(X).float()), get_rows(as_tensor(X.astype("f4"), "x"))]
    assert rows[0] == rows[1]


def get_rows(x):
    return rows_digest(x, torch.from_numpy(Y))
