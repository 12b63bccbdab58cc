from chop.nn.quantized.functional.bmm import *  # noqa: F403
