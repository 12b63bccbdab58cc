"""Real weights on real jets: 786 of 1000 right says that weights, loader, scaling and class order all fit.

The weights are those of the hls4ml tutorial's float network, the jets 1000 rows of OpenML 42468. With
another class order the same logits score 341, so the figure is a sharp test; it is not a test accuracy,
because the network has probably seen most of these rows.
"""

import h5py
import numpy as np
import pytest
import torch

from chop.dataset import MaseDataModule
from chop.models import get_model

RIGHT = {"gqtwz": 786, "gqwzt": 341}


@pytest.fixture(scope="module")
def data_dir(shared_dir):
    return shared_dir / "data"


@pytest.fixture(scope="module")
def model(data_dir):
    """jsc-mlp with the tutorial's weights: Keras keeps kernels as [in, out]."""
    model = get_model("jsc-mlp")
    state = {}
    with h5py.File(data_dir / "hls4ml-tutorial-model_1-best.h5") as file:
        for layer, name in zip((0, 2, 4, 6), ("fc1", "fc2", "fc3", "output"), strict=True):
            arrays = file[f"model_weights/{name}/{name}"]
            state[f"seq_blocks.{layer}.weight"] = torch.from_numpy(arrays["kernel:0"][()].T.copy())
            state[f"seq_blocks.{layer}.bias"] = torch.from_numpy(arrays["bias:0"][()])
    model.load_state_dict(state)
    return model.eval()


def jets(data_dir, order, name="jsc-1000-cernbox-layout.h5"):
    module = MaseDataModule(
        "jsc",
        256,
        data_file=data_dir / name,
        split="all",
        class_order=order,
        scaler=data_dir / "jsc-openml-marginals.npz",
    )
    return module.arrays("test")


@pytest.mark.parametrize("order", RIGHT)
def test_torch_gets_the_published_number_right(order, model, data_dir):
    x, y = jets(data_dir, order)
    with torch.no_grad():
        right = (model(x).argmax(dim=1) == y).sum().item()
    assert (right, len(y)) == (RIGHT[order], 1000)


def test_the_default_order_of_the_cernbox_layout_is_mases(model, data_dir):
    x, y = jets(data_dir, None)
    with torch.no_grad():
        assert (model(x).argmax(dim=1) == y).sum().item() == RIGHT["gqwzt"]


@pytest.mark.parametrize("name", ["jsc-openml-1000.csv", "jsc-openml-1000.npz"])
def test_the_openml_layouts_default_to_the_alphabetical_order(name, model, data_dir):
    x, y = jets(data_dir, None, name)
    with torch.no_grad():
        assert (model(x).argmax(dim=1) == y).sum().item() == RIGHT["gqtwz"]


@pytest.mark.parametrize("order", RIGHT)
def test_the_float_evaluator_gets_the_same_rows_right(order, model, data_dir):
    from chop import Evaluator, MaseGraph

    x, y = jets(data_dir, order)
    evaluator = Evaluator(MaseGraph(model), x, y)
    metrics = evaluator.evaluate(None)
    assert metrics.rows == 1000
    assert round(metrics.accuracy_micro * 1000) == RIGHT[order]
    with torch.no_grad():
        expected = model(x)
    logits = evaluator.forward(None)
    assert torch.equal(logits.argmax(dim=1), expected.argmax(dim=1))
    np.testing.assert_allclose(logits.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)
    loss = torch.nn.functional.cross_entropy(expected.double(), y).item()
    assert metrics.loss == pytest.approx(loss, rel=1e-5)
