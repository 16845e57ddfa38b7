"""The command ``replay`` of ``python -m lifecycle``: what another model would have answered.

Exit code 0: the policy would promote the candidate. 1: there is an objection. 3: there is none, but too few
labels have come to promote it. 2, with one sentence on stderr: the log, a model or an option cannot be used.
130: Ctrl-C ended it. No other code is a verdict.
"""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import click
from pydantic import Field, TypeAdapter

from lifecycle.replay.span_options import MomentOrAge
from service.audit.commands.command_group import FILE
from service.errors import ReportUnwritable
from service.model.release.release import Metric, Policy, Tag
from service.system.command_line import Checked

if TYPE_CHECKING:
    from lifecycle.replay.replay_result import ReplayResult

EXIT_CODES = {"passed": 0, "objection": 1, "undecided": 3}
INTERRUPTED = 130

_TAG = Checked("NAME:VERSION", TypeAdapter(Tag))
_MOMENT = Checked("TIME", TypeAdapter(MomentOrAge))
_COUNT = Checked("N", TypeAdapter(Annotated[int, Field(ge=1)]))
_FEW = Checked("N", TypeAdapter(Annotated[int, Field(ge=0, le=1_000)]))
_SHARE = Checked("SHARE", TypeAdapter(Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]))

Command = Callable[..., Any]
_POLICY = Policy()
_LEVELS: dict[str, tuple[str, str]] = {
    "margin": ("SHARE", "by how much it may be worse in the metric"),
    "min_labels": ("N", "labelled rows below which it is not promoted"),
    "alpha": ("SHARE", "the largest probability of a false verdict"),
    "max_calibration_gap": ("SHARE", "by how much its mean confidence may differ from its accuracy"),
}
"""Fields of the policy that are options, with what each is."""


def policy_options(command: Command) -> Command:
    """The options of the policy, and ``policy`` as an argument."""

    @wraps(command)
    def run(metric: Metric, **options: Any) -> Any:
        levels = {name: options.pop(name) for name in _LEVELS}
        return command(policy=Policy(metric=metric, **levels), **options)

    for name, (metavar, text) in reversed(_LEVELS.items()):
        field = Policy.model_fields[name]
        annotated: Any = Annotated[field.annotation, *field.metadata]
        run = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=Checked(metavar, TypeAdapter(annotated)),
            default=field.default,
            metavar=metavar,
            help=f"{text} (default: {field.default:g})",
        )(run)
    metrics = click.Choice(get_args(Metric))
    text = f"what is compared where labels have come (default: {_POLICY.metric})"
    return click.option("--metric", type=metrics, default=_POLICY.metric, help=text)(run)


@click.command
@click.option("--model", "candidate", type=_TAG, required=True, help="the candidate, NAME:VERSION")
@click.option("--db", type=FILE, metavar="LOG", help="the log or a copy of it; by default TABENTO_AUDIT_DB")
@click.option("--since", type=_MOMENT, metavar="TIME", help="received then or later: a date, or an age as 7d")
@click.option("--until", type=_MOMENT, metavar="TIME", help="received before then: a date, or an age")
@click.option("--limit", type=_COUNT, metavar="N", help="the newest N answered requests alone")
@click.option("--against", type=_TAG, help="compare with this model, not with the recorded answers")
@policy_options
@click.option(
    "--max-disagreement", type=_SHARE, metavar="SHARE", help="rows that may get another label (default: any)"
)
@click.option(
    "--max-broken", type=_SHARE, default=0.0, metavar="SHARE",
    help="requests that may break the candidate's contract (default: 0)",
)  # fmt: skip
@click.option("--examples", type=_FEW, default=20, metavar="N", help="rows that are shown (default: 20)")
@click.option("--processes", type=_COUNT, default=2, metavar="N", help="at most so many (default: 2)")
@click.option(
    "--models", "folder", type=FILE, metavar="FOLDER", help="also look for models NAME/VERSION here"
)
@click.option("--html", type=FILE, metavar="FILE", help="write a page that needs no other file")
@click.option("--json", "as_json", is_flag=True, help="write the result as one JSON object")
@click.option("--mlflow", "to_mlflow", is_flag=True, help="log the report as a run of the model's experiment")
def replay(
    db: Path | None, folder: Path | None, html: Path | None, as_json: bool, to_mlflow: bool, **options: Any
) -> int:
    """Ask what another model would have answered to the recorded requests.

    Exit code 0: the policy would promote it. 1: there is an objection. 3: there is none, but too few labels
    to promote it.
    """
    try:
        return _replay(db, folder, html, as_json=as_json, to_mlflow=to_mlflow, options=options)
    except KeyboardInterrupt:
        # Otherwise the exit code would be 0, which is a verdict.
        sys.stderr.write("Interrupted; there is no verdict.\n")
        return INTERRUPTED


def _replay(
    db: Path | None,
    folder: Path | None,
    html: Path | None,
    *,
    as_json: bool,
    to_mlflow: bool,
    options: Mapping[str, Any],
) -> int:
    # Imported here, because the imports take as long as all that --help does.
    from lifecycle.replay.offline_replay import ReplayTask
    from lifecycle.replay.offline_replay import replay as replayed
    from lifecycle.replay.report.replay_text import replay_text
    from service.settings import load_settings

    log = load_settings().audit_db if db is None else db
    task = ReplayTask(log=log, folders=() if folder is None else (folder,), **options)
    result = replayed(task)
    text = f"{result.model_dump_json(indent=2)}\n" if as_json else replay_text(result)
    sys.stdout.write(text)
    if html is not None:
        _write(html, result)
    if to_mlflow:
        from lifecycle.replay.report.replay_logging import log_replay

        run_id = log_replay(result, task)
        sys.stderr.write(f"Logged as the MLflow run {run_id}.\n")
    return EXIT_CODES[result.verdict]


def _write(file: Path, result: "ReplayResult") -> None:
    from lifecycle.replay.report.replay_page import replay_page

    try:
        file.write_text(replay_page(result), encoding="utf-8")
    except OSError as error:
        raise ReportUnwritable(file, error.strerror or repr(error)) from error
