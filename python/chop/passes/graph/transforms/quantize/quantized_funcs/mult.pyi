from chop.nn.quantized.functional.mult import *  # noqa: F403
