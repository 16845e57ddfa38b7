"""Runs a command line of the project: its exit code, and one sentence on stderr if it fails.

The exit code is what the command returns, by default 0, or 2 for wrong arguments and for a StartError.
"""

import os
import sys
from collections.abc import Sequence

import click
from pydantic import TypeAdapter, ValidationError

from service.errors import StartError

HELP = {"help_option_names": ["-h", "--help"]}
"""Context settings of a group of commands."""


class Checked(click.ParamType[object]):
    """The type of an option that pydantic parses and validates."""

    def __init__(self, name: str, type_: TypeAdapter[object]) -> None:
        self.name = name
        self._type = type_

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The value of an option's text; fails with pydantic's message."""
        try:
            return self._type.validate_python(value)
        except ValidationError as error:
            self.fail(f"{value!r}: {error.errors()[0]['msg']}", param, ctx)


def run(group: click.Group, name: str, arguments: Sequence[str] | None) -> int:
    """Run one command of the group and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # group.main() has other exit codes and writes more than a sentence.
        with group.make_context(name, [*given]) as context:
            code: int | None = group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # After --help.
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        path = name if error.ctx is None else error.ctx.command_path
        sys.stderr.write(f"{error.format_message().rstrip('.')}. See `{path} --help`.\n")
        return error.exit_code
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:  # Ctrl-C ends `tail --follow`.
        return 0
    except BrokenPipeError:
        # The reader has closed the pipe, as in `| head -1`. The interpreter flushes stdout again at its
        # end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code or 0
