"""The command ``watch`` of ``python -m lifecycle``.

Exit code 0 after SIGTERM or Ctrl-C, and after --once; 2 with one sentence if another watcher is running, or
an option was refused.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import click

from lifecycle.retrain.retrain_command import retrain
from lifecycle.retrain.retrain_options import Duration, RetrainArguments, retrain_options
from training.table_arguments import SeveralValues

_DURATION = Duration()
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@click.command(cls=SeveralValues)
@retrain_options
@click.option(
    "--new-labels",
    type=click.IntRange(1),
    metavar="N",
    help="Retrain when so many rows got a label since the last retraining.",
)
@click.option("--every", type=_DURATION, metavar="DURATION", help="Retrain so often, such as 7d.")
@click.option("--on-loss", is_flag=True, help="Retrain when monitoring confirms a loss of live quality.")
@click.option(
    "--cool-down",
    type=_DURATION,
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="The shortest time from the beginning of a retraining to that of the next.",
)
@click.option(
    "--interval",
    type=_DURATION,
    metavar="DURATION",
    help="From one look to the next; by default at most 60s.",
)
@click.option(
    "--monitoring-db",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file of monitoring; by default TABENTO_MONITORING_DB, or beside the log.",
)
@click.option("--once", is_flag=True, help="Look once, retrain if there is a reason, and end.")
def watch(
    *,
    new_labels: int | None,
    every: float | None,
    on_loss: bool,
    cool_down: float,
    interval: float | None,
    monitoring_db: Path | None,
    once: bool,
    **values: Any,
) -> int:
    """Retrain whenever there is a reason, one challenger at a time."""
    if new_labels is None and every is None and not on_loss:
        raise click.UsageError("Name a trigger: --new-labels, --every or --on-loss.")
    from lifecycle.retrain.work_folder import WorkFolder
    from lifecycle.watch.triggers import Triggers
    from lifecycle.watch.watching import Watcher

    arguments = RetrainArguments(values)
    with _stopped_by_signals() as stop:
        Watcher(
            name=arguments.name,
            log=arguments.log,
            monitoring=monitoring_db or _monitoring_of(arguments.log),
            folder=WorkFolder(arguments.folder),
            triggers=Triggers(new_labels, every, on_loss, cool_down),
            arguments=arguments.command_line(retrain),
            interval_s=_interval_s(interval, cool_down),
            stop=stop,
        ).watch(once=once)
    return 0


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set meanwhile."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interval_s(given: float | None, cool_down_s: float) -> float:
    """Often enough for a short cool-down, and not busy."""
    return given if given is not None else min(60.0, max(1.0, cool_down_s / 10))


def _monitoring_of(log: Path) -> Path:
    from service.settings import load_settings

    return load_settings().monitoring_db or log.with_name("tabento-monitoring.db")
