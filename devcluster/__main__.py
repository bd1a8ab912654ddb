"""`python3 -m devcluster`: the development cluster's command line."""

import sys

from devcluster.cli import main

sys.exit(main())
