from chop.nn.quantized.functional.matmul import *  # noqa: F403
