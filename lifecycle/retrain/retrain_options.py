"""The options of a retraining, which ``retrain`` and ``watch`` have, and their command line again.

Parsed without the libraries that train, so that ``--help`` is quick.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.cli import _margin, _name, _names, _seed, _share
from training.table_arguments import TableArguments, table_options

if TYPE_CHECKING:
    from lifecycle.retrain.retraining import RetrainingTask

Command = Callable[..., Any]

_FILE = click.Path(path_type=Path)
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType[float]):
    """Seconds, from a number with a unit: ``20s``, ``15m``, ``6h``, ``7d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        if isinstance(value, int | float):
            return float(value)
        if not (found := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", value)):
            self.fail(f"{value!r} is not a duration such as 20s, 15m, 6h or 7d.", param, ctx)
        return float(found[1]) * _UNITS_S[found[2]]


def _holdout(_: click.Context, __: click.Parameter, text: str) -> float:
    try:
        rows = float(text)
    except ValueError:
        rows = -1
    if rows <= 0 or (rows >= 1 and rows != int(rows)):
        raise click.BadParameter(f"{text!r} is neither a share below 1 nor a number of rows.")
    return rows


_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--data", required=True, metavar="SOURCE", help="The published table, as training reads it."
    ),
    click.option("--target", required=True, metavar="COLUMN", help="The column of labels."),
    click.option("--name", required=True, callback=_name, metavar="NAME", help="Of the model."),
    click.option("--db", type=_FILE, metavar="LOG", help="The audit log; by default TABENTO_AUDIT_DB."),
    click.option(
        "--work",
        type=_FILE,
        metavar="DIR",
        help="Folder of tables, lineages and locks; by default NAME.retraining beside the log.",
    ),
    click.option("--contract", type=_FILE, metavar="FILE", help="As of training."),
    table_options,
    click.option("--test-size", callback=_share, default="0.2", metavar="SHARE", help="As of training."),
    click.option("--seed", callback=_seed, default="42", metavar="N", help="As of training."),
    click.option("--only", callback=_names, multiple=True, metavar="CANDIDATE", help="As of training."),
    click.option("--without", callback=_names, multiple=True, metavar="CANDIDATE", help="As of training."),
    click.option("--keep-sample", is_flag=True, help="As of training."),
    click.option(
        "--holdout",
        callback=_holdout,
        default="0.3",
        show_default=True,
        metavar="SHARE|ROWS",
        help="Of the log's labelled rows, the newest, that are held out for the gate.",
    ),
    click.option(
        "--newest", type=click.IntRange(1), metavar="ROWS", help="Train on so many rows, the newest, alone."
    ),
    click.option(
        "--metric",
        type=click.Choice(["accuracy", "brier", "log_loss"]),
        default="accuracy",
        show_default=True,
        help="What the gate compares.",
    ),
    click.option(
        "--margin",
        callback=_margin,
        default="0.01",
        show_default=True,
        metavar="SHARE",
        help="By how much the challenger may be worse in the metric.",
    ),
    click.option(
        "--min-rows",
        type=click.IntRange(1),
        default=200,
        show_default=True,
        help="Held-out rows below which the gate cannot tell.",
    ),
    click.option(
        "--max-calibration-gap",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.1,
        show_default=True,
        help="By how much the mean confidence may differ from the accuracy.",
    ),
    click.option(
        "--max-segment-loss",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.05,
        show_default=True,
        help="By how much the accuracy within a segment may be lower.",
    ),
    click.option(
        "--max-latency-ratio",
        type=click.FloatRange(1, min_open=True),
        default=3.0,
        show_default=True,
        help="How many times as long as the champion it may take for a row.",
    ),
    click.option(
        "--max-size-mb",
        type=click.FloatRange(0, min_open=True),
        default=200.0,
        show_default=True,
        help="Of the challenger's files.",
    ),
    click.option(
        "--no-release", is_flag=True, help="Register a challenger that passes, and release nothing."
    ),
)


def retrain_options(command: Command) -> Command:
    """Give a command the options of a retraining."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_LIMITS = (
    "metric", "margin", "min_rows", "max_calibration_gap", "max_segment_loss", "max_latency_ratio",
    "max_size_mb",
)  # fmt: skip
_TABLE = tuple(TableArguments.__dataclass_fields__)


@dataclass(frozen=True)
class RetrainArguments:
    """The options as they were given."""

    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the model."""
        return str(self.values["name"])

    @property
    def log(self) -> Path:
        """The audit log, as an absolute path."""
        if (given := self.values["db"]) is not None:
            return Path(given).absolute()
        from service.settings import load_settings

        return load_settings().audit_db.absolute()

    @property
    def folder(self) -> Path:
        """Of tables, lineages and locks."""
        if (given := self.values["work"]) is not None:
            return Path(given)
        return self.log.with_name(f"{self.name}.retraining")

    def task(self, reason: str) -> "RetrainingTask":
        """What is retrained; raises InputRefused."""
        from lifecycle.retrain.gate_result import GateLimits
        from lifecycle.retrain.retraining import RetrainingTask
        from training.train import Settings

        values = self.values
        table = TableArguments(**{name: values[name] for name in _TABLE})
        return RetrainingTask(
            data=values["data"],
            target=values["target"],
            table=table.options(values["contract"]),
            log=self.log,
            folder=self.folder,
            training=Settings(
                self.name,
                values["test_size"],
                values["seed"],
                Path.cwd(),
                are_candidates_chosen=bool(values["only"]),
                keeps_sample=values["keep_sample"],
            ),
            limits=GateLimits(**{name: values[name] for name in _LIMITS}),
            holdout=values["holdout"],
            newest=values["newest"],
            reason=reason,
            releases=not values["no_release"],
        )

    def command_line(self, command: click.Command) -> list[str]:
        """The options again, as a command line of ``retrain``."""
        line: list[str] = []
        for option in command.params:
            value = self.values.get(str(option.name))
            if not isinstance(option, click.Option) or value is None or value is False:
                continue
            if option.is_flag:
                line.append(option.opts[0])
                continue
            for each in value if option.multiple else [value]:
                parts = each if option.nargs > 1 else [each]
                line += [option.opts[0], *map(_as_text, parts)]
        return line


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
