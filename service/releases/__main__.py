"""``python -m service.releases``: change which models a running service serves, and show what is in force.

Exit code 0; 1 if the workers refused a release, or the evidence speaks against a promotion; 2 with one
sentence on stderr if a command cannot do what it is asked to.
"""

import sys
from collections.abc import Sequence

from service.releases.commands import challenging, deciding, reporting
from service.releases.commands.release_group import releases
from service.system.command_line import run

__all__ = ["challenging", "deciding", "main", "reporting"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run(releases, "python -m service.releases", arguments)


if __name__ == "__main__":
    sys.exit(main())
