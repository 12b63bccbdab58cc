from chop.nn.quantized.modules.relu import *  # noqa: F403
