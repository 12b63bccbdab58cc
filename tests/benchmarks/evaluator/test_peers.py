"""Every peer that is installed computes loss and accuracy of a small case, and ours equals the eager one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from . import cases
from .formats import FormatSource
from .measure import Settings, fresh_compiler_cache, measure
from .ours import open_ours, worst_bound
from .peers import PEERS, Outcome, Peer, score
from .peers.eager import fake_quantized
from .results import LOOP, MANY, ONE

ROWS = 256


@pytest.fixture(scope="module", autouse=True)
def compiler_cache() -> Iterator[None]:
    with fresh_compiler_cache():
        yield


@pytest.fixture(scope="module")
def toy() -> cases.Case:
    return cases.build("toy", ROWS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PEERS)
def test_peer_computes(name: str, toy: cases.Case) -> None:
    if reason := PEERS[name].missing():
        pytest.skip(reason)
    source = FormatSource(len(toy.nodes), seed=1)
    run = PEERS[name].build(toy)(source.draw)
    found = run()
    with torch.no_grad():
        plain = score(toy.model(toy.x), toy.y)
    # Random logits near zero: every 8-bit grid keeps the loss close to the float model's.
    assert found.loss == pytest.approx(plain.loss, rel=0.1)
    assert 0 < found.accuracy < 1
    assert run() == found


@pytest.mark.parametrize("name", ["tiny", "toy", "seven"])
def test_ours_equals_the_eager_model(name: str) -> None:
    pytest.importorskip("torchmetrics")
    case = cases.build(name, ROWS)
    found = open_ours(case, seed=3).compare()
    assert found["exact_in_fp32"]
    assert found["equal_logits"] == 1
    assert found["same_right_rows"]
    assert found["loss_difference"] < 1e-6


def test_ours_and_a_peer_share_the_rounds(toy: cases.Case) -> None:
    peer = PEERS["torch_fp32"]
    result = measure(toy, [peer], Settings(rounds=2, configs=3))
    assert {name: one.timing.runs for name, one in result.variants.items()} == {ONE: 2, MANY: 2, peer.name: 2}
    assert result.ours["construction_ms"] > 0 and result.ours["first_call_ms"] > 0


def test_a_peer_that_breaks_is_reported(toy: cases.Case) -> None:
    wrong = Peer("wrong", "wrong", lambda case: lambda source: lambda: Outcome(math.nan, 0.5))
    failing = Peer("failing", "failing", lambda case: [][1])
    found = measure(toy, [wrong, failing], Settings(rounds=1, configs=2)).variants
    assert found["wrong"].timing is found["failing"].timing is None
    assert (
        found["wrong"].reason
        == "not measured: ArithmeticError: wrong computed Outcome(loss=nan, accuracy=0.5)"
    )
    assert found["failing"].reason == "not measured: IndexError: list index out of range"


def test_an_absent_package_is_a_reason() -> None:
    absent = Peer("x", "x", lambda case: None, ("no_such_package",))
    assert absent.missing() == "no_such_package is not installed"


@pytest.mark.parametrize("name", ["conv1d", "vgg"])
def test_convolutional_peers_agree_in_eight_bits(name: str) -> None:
    pytest.importorskip("torchmetrics")
    case = cases.build(name, 16)
    formats = (((8, 5), (8, 7), (8, 6)),) * len(case.nodes)
    found = PEERS[LOOP].build(case)(lambda: formats)()
    with torch.no_grad():
        expected = score(fake_quantized(case, formats)(case.x), case.y)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_worst_bound_counts_codes() -> None:
    case = cases.build("tiny", ROWS)
    (layer,) = case.layers
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(-1.0)
    # 16 weights of code 2, inputs of code up to 8; the bias has code 4, on a grid 8 times coarser than the sum's.
    assert worst_bound(case, (((4, 3), (4, 2), (4, 2)),)) == 16 * 2 * 8 + 4 * 8
