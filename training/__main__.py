"""Run training as ``python -m training``."""

import sys
from collections.abc import Sequence

from training.interruption import Interruption, all_notes_of


def run(argv: Sequence[str]) -> int:
    """Train as the options say; gives the exit code, that of the signal where one ended it."""
    interruption = Interruption()
    interruption.install()
    try:
        # Imported under the handlers: what it imports in turn takes a second.
        from training.cli import main

        return main(argv, interruption)
    except BaseException as error:
        # Whatever it is: a library may make another error of the exception that a signal raises.
        if interruption.received is None:
            raise
        notes = "".join(f" {note}" for note in all_notes_of(error))
        sys.stderr.write(f"Ended by {interruption.received.name}; nothing was published.{notes}\n")
        return interruption.exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
