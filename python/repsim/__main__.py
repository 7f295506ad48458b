"""``python -m repsim``: the command line, with the PyTorch of this Python."""

import sys

from ._launcher import main

sys.exit(main())
