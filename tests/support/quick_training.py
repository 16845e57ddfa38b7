"""The training command with one candidate alone, for tests of what does not depend on the others.

``python -m tests.support.quick_training OPTION...`` takes the options of ``python -m training``.
"""

import sys

from training.candidates.built_in import CANDIDATES
from training.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], candidates=CANDIDATES[:1]))
