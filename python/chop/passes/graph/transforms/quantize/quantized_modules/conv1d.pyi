from chop.nn.quantized.modules.conv1d import *  # noqa: F403
