"""The command ``aliases`` of ``python -m lifecycle``.

Exit code 0; 1 if an alias could not follow, or MLflow failed; 2 with one sentence if the log cannot be read.
"""

import json
import sys
from pathlib import Path

import click

from service.errors import TabentoError


@click.command
@click.option("--name", required=True, metavar="NAME", help="of the models")
@click.option(
    "--db",
    type=click.Path(path_type=Path),
    metavar="LOG",
    help="the audit log; by default TABENTO_AUDIT_DB",
)
@click.option("--json", "as_json", is_flag=True, help="write the changes as one JSON object")
def aliases(name: str, db: Path | None, as_json: bool) -> int:
    """Let MLflow's aliases follow the release that is in force.

    The alias champion then names its champion, challenger its challenger, and the name alone its champion in
    the BentoML store. Nothing is changed in what is served.
    """
    from lifecycle.aliases.alias_following import follow
    from lifecycle.aliases.release_in_force import release_in_force
    from lifecycle.retrain.tracking import tracked

    log = db or _log_of_settings()
    release = release_in_force(log, name)
    try:
        with tracked(name):
            done = follow(release)
    except TabentoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if as_json:
        found = {
            "release": release and release.release_id,
            "changes": done.changes,
            "problems": done.problems,
        }
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        lines = [*done.changes, *done.problems] or ["Nothing is to be changed."]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if done.problems else 0


def _log_of_settings() -> Path:
    from service.settings import load_settings

    return load_settings().audit_db
