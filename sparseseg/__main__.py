"""Run the command line: `python -m sparseseg`."""

import sys

from sparseseg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
