from chop.nn.quantizers.integer import *  # noqa: F403
