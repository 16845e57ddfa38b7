"""The options by which a command learns who runs it, and why."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import click
from pydantic import Field, TypeAdapter

from service.audit.act import shell_actor
from service.system.command_line import Checked

_NAME = Checked("NAME", TypeAdapter(Annotated[str, Field(min_length=1, max_length=100)]))
_REASON = Checked("TEXT", TypeAdapter(Annotated[str, Field(min_length=1, max_length=1_000)]))

Command = Callable[..., Any]


def reader_option(command: Command) -> Command:
    """``--by`` of a command that reads records, as ``actor``."""

    @wraps(command)
    def run(*arguments: object, by: str | None, **options: object) -> Any:
        return command(*arguments, actor=shell_actor(by), **options)

    text = "who reads; recorded; by default the name of the account"
    return click.option("--by", type=_NAME, metavar="NAME", help=text)(run)


def claim_options(command: Command) -> Command:
    """``--by`` and ``--reason`` of an act, as ``actor`` and ``reason``."""

    @wraps(command)
    def run(*arguments: object, by: str, **options: object) -> Any:
        return command(*arguments, actor=shell_actor(by), **options)

    name = click.option("--by", required=True, type=_NAME, metavar="NAME", help="who does this; recorded")
    reason = click.option("--reason", required=True, type=_REASON, metavar="TEXT", help="why; recorded")
    return name(reason(run))
