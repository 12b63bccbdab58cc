from chop.nn.quantizers import *  # noqa: F403
