"""The group of the commands, and the options that they share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field, TypeAdapter

from service.audit.act import shell_actor
from service.releases.two_persons import with_shown_key
from service.settings import Settings, load_settings
from service.system.command_line import HELP, Checked

FILE = click.Path(path_type=Path)
_NAME = Checked("NAME", TypeAdapter(Annotated[str, Field(min_length=1, max_length=100)]))
_REASON = Checked("TEXT", TypeAdapter(Annotated[str, Field(min_length=1, max_length=1_000)]))
_SECONDS = Checked("SECONDS", TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)]))
_WAIT_S = 75.0
"""Longer than the workers take to decide."""

Command = Callable[..., Any]


@click.group(context_settings=HELP)
def releases() -> None:
    """Change which models a running service serves, and show what is in force.

    The exit code is 1 if the workers refused a release, or the evidence speaks against it.
    """


def of_a_service(command: Command) -> Command:
    """``--model``, ``--db`` and ``--json``, as ``settings``, ``name`` and ``as_json``."""

    @wraps(command)
    def run(*arguments: object, db: Path | None, **options: object) -> Any:
        settings = load_settings()
        if db is not None:
            settings = settings.model_copy(update={"audit_db": db})
        return command(settings, *arguments, **options)

    text = "BentoML name of the models, if there are releases of several"
    run = click.option("--model", "name", metavar="NAME", help=text)(run)
    run = click.option("--db", type=FILE, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")(run)
    return click.option("--json", "as_json", is_flag=True, help="write JSON")(run)


def changing(command: Command) -> Command:
    """``--by``, ``--reason``, ``--key-file`` and ``--wait``, as ``actor``, ``reason`` and ``wait``."""

    @of_a_service
    @wraps(command)
    def run(
        settings: Settings, *arguments: object, by: str | None, key_file: Path | None, **options: object
    ) -> Any:
        actor = with_shown_key(settings, shell_actor(by), key_file)
        return command(settings, *arguments, actor=actor, **options)

    text = "who does this; recorded; by default the name of the account"
    run = click.option("--by", type=_NAME, metavar="NAME", help=text)(run)
    run = click.option("--reason", required=True, type=_REASON, metavar="TEXT", help="why; recorded")(run)
    text = "a file with an API key of the scope release; recorded"
    run = click.option("--key-file", type=FILE, metavar="FILE", help=text)(run)
    text = "how long to wait for the workers' decision (default: 75)"
    return click.option("--wait", type=_SECONDS, default=_WAIT_S, metavar="SECONDS", help=text)(run)
