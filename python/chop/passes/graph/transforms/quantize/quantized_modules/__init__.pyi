from chop.nn.quantized.modules import *  # noqa: F403
