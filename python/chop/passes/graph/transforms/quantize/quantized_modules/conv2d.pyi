from chop.nn.quantized.modules.conv2d import *  # noqa: F403
