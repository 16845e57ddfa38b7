"""An option for each part of a release's policy."""

from collections.abc import Callable
from typing import Any

import click
from pydantic import TypeAdapter

from service.model.release.release import Policy
from service.system.command_line import Checked

Command = Callable[..., Any]

_NUMBER = Checked("NUMBER", TypeAdapter(float))
_COUNT = Checked("ROWS", TypeAdapter(int))
_HELP = {
    "metric": "what is compared",
    "margin": "by how much the challenger may be worse and still be promoted",
    "min_labels": "labelled rows below which nothing is promoted",
    "alpha": "the largest probability of a false verdict",
    "max_failure_increase": "by how much the share of failed requests may be higher",
    "max_latency_ratio": "how many times as long the challenger's answers may take",
    "max_calibration_gap": "by how much its mean confidence may differ from its accuracy",
    "fallback_hours": "how long the former champion stays in shadow after a promotion",
}


def policy_options(command: Command) -> Command:
    """The options, each named after its part; None if it is not given."""
    for name, text in reversed(_HELP.items()):
        default = Policy.model_fields[name].default
        kind: click.ParamType[Any] = _COUNT if name == "min_labels" else _NUMBER
        if name == "metric":
            kind = click.Choice(["accuracy", "brier", "log_loss"])
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, type=kind, help=f"{text} (default: {default})")(command)
    return command
