"""`python -m context0` is `context0`."""

import sys

from context0.cli import main

sys.exit(main())
