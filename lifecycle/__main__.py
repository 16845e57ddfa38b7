"""``python -m lifecycle``: what a model goes through beside the service.

Each command is in a module of its own and states its exit codes.
"""

import sys
from collections.abc import Sequence

import click

from lifecycle.aliases.aliases_command import aliases
from lifecycle.replay.replay_command import replay
from lifecycle.retrain.retrain_command import retrain
from lifecycle.watch.watch_command import watch
from service.system.command_line import HELP, run
from training.quiet_libraries import quiet_libraries

COMMANDS: tuple[click.Command, ...] = (replay, retrain, watch, aliases)
"""The commands, in the order in which --help lists them."""


@click.group(context_settings=HELP)
def lifecycle() -> None:
    """Judge models by what the service has recorded."""


for _command in COMMANDS:
    lifecycle.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    quiet_libraries()
    return run(lifecycle, "python -m lifecycle", arguments)


if __name__ == "__main__":
    sys.exit(main())
