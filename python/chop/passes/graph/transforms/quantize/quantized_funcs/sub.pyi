from chop.nn.quantized.functional.sub import *  # noqa: F403
