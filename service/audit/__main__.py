"""The command line of the audit log: ``python -m service.audit``.

Exit code 0; 1 if ``verify``, ``replay`` or ``models`` found something, or ``feedback`` refused outcomes; 2
with one sentence on stderr if a command cannot do what it is asked to. ``commands/`` has the commands, except
those of ``service/replay``.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from service.audit.commands import audit
from service.audit.commands.feeding import ServedTarget, feedback_command
from service.replay.replay_commands import models, replay
from service.system.command_line import run


def _served_target(db: Path) -> ServedTarget | None:
    # Imported here, because the import takes as long as all that the other commands do.
    from service.replay.served_target import served_target

    return served_target(db)


audit.add_command(feedback_command(_served_target))
audit.add_command(replay)
audit.add_command(models)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return run(audit, "python -m service.audit", arguments)


if __name__ == "__main__":
    sys.exit(main())
