from chop.nn.quantized.functional.relu import *  # noqa: F403
