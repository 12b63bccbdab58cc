"""``python -m chop`` is ``ch``."""

from __future__ import annotations

import sys

from chop.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
