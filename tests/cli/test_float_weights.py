"""The file of float weights that a transform leaves beside the quantized model is not taken for it in silence."""

from __future__ import annotations

from pathlib import Path

QUANTIZE = """
[passes.quantize]
by = "type"
default.config.name = "NA"
linear.config = { name = "integer", data_in_width = 4, data_in_frac_width = 2, weight_width = 3, weight_frac_width = 2 }
"""


def test_the_float_file_is_named_as_such(ch, tmp_path, small_data):
    (tmp_path / "q.toml").write_text(QUANTIZE)
    common = ("jsc-tiny", small_data, "--cpu=0", "--accelerator", "cpu", "--project", "p")
    assert ch("transform", *common, "--config", "q.toml").code == 0
    folder = Path("mase_output/p/software/transform/transformed_ckpt")
    by_float = ch("test", *common, "--load", folder / "state_dict.pt")
    assert (
        by_float.code == 0
        and f"is loaded into the float model, without formats; the transformed model is {folder}/graph_module.mz"
        in by_float.err
    )
    quantized = ch("test", *common, "--load", folder / "graph_module.mz")
    assert quantized.code == 0 and "float weights" not in quantized.err
