"""`python -m rlaw` is `rlaw`."""

import sys

from rlaw.cli import main

sys.exit(main())
