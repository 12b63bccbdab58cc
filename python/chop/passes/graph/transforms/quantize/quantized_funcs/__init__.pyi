from chop.nn.quantized.functional import *  # noqa: F403
