from chop.nn.quantized.modules.linear import *  # noqa: F403
