"""``python -m slhf.cli``, which launchers like torchrun need."""

import sys

from slhf.cli import main

if __name__ == "__main__":
    sys.exit(main())
