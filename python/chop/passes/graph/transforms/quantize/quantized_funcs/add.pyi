from chop.nn.quantized.functional.add import *  # noqa: F403
