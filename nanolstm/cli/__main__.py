"""`python -m nanolstm.cli` is the command line too."""

import sys

from nanolstm.cli import main

sys.exit(main())
