"""Run training as ``python -m training``."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.interruption import Interruption, all_notes_of

if TYPE_CHECKING:
    from training.candidates.built_in import Candidate


def run(argv: Sequence[str], candidates: "Sequence[Candidate] | None" = None) -> int:
    """Run the command; returns the exit code, which is the signal's if one ended the training.

    The built-in candidates compete unless others are given.
    """
    interruption = Interruption()
    interruption.install()
    try:
        # Imported after the handlers are installed, because its imports take a second.
        from training.cli import main

        return main(argv, interruption, candidates)
    except BaseException as error:
        # Any error: a library may turn the exception that the signal raised into another one.
        if interruption.received is None:
            raise
        interruption.close()
        notes = "".join(f" {note}" for note in all_notes_of(error))
        sys.stderr.write(f"Ended by {interruption.received.name}; nothing was published.{notes}\n")
        return interruption.exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
