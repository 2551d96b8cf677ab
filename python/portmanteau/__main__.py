"""``python -m portmanteau`` is ``portmanteau``."""

import sys

from portmanteau.cli import main

if __name__ == "__main__":
    sys.exit(main())
