"""Commands that try a model beside the champion."""

from collections.abc import Mapping
from typing import Any, Literal

import click
from pydantic import TypeAdapter, ValidationError

from service.audit.act import Actor
from service.errors import ReleaseMisuse
from service.model.published import resolve_tag
from service.model.release.release import KeyKind, Policy
from service.releases.challenger_check import check_challenger
from service.releases.commands.policy_options import policy_options
from service.releases.commands.release_group import Command, changing, releases
from service.releases.commands.told_change import Wish, make_and_tell
from service.releases.next_release import challenged
from service.releases.present_release import model_name, present_release
from service.settings import Settings
from service.system.command_line import Checked

_Tried = Literal["shadow", "canary", "ab"]
_SHARE = Checked("SHARE", TypeAdapter(float))


def challenger_options(command: Command) -> Command:
    """The model, ``--replace``, and an option for each part of the policy."""
    command = policy_options(command)
    text = "in place of the challenger that is there"
    command = click.option("--replace", is_flag=True, help=text)(command)
    return click.argument("tag", metavar="[NAME:VERSION]", required=False)(changing(command))


def routed_options(command: Command) -> Command:
    """``--share`` and ``--key``."""
    text = "share of the keys that the challenger answers, from 0 to 1"
    command = click.option("--share", type=_SHARE, metavar="SHARE", help=text)(command)
    text = "subject: one model for the requests of one X-Subject-ID (default). request: by the request alone"
    return click.option("--key", type=click.Choice(["subject", "request"]), help=text)(command)


@releases.command
@challenger_options
def shadow(settings: Settings, tag: str | None, **options: Any) -> int:
    """Let a model predict what the champion answers, unseen."""
    return _challenge(settings, tag, "shadow", **options)


@releases.command
@routed_options
@challenger_options
def canary(settings: Settings, tag: str | None, **options: Any) -> int:
    """Let a model answer a small share of the requests (default: 0.05)."""
    return _challenge(settings, tag, "canary", **options)


@releases.command
@routed_options
@challenger_options
def ab(settings: Settings, tag: str | None, **options: Any) -> int:
    """Let a model answer a larger share of the requests (default: 0.5)."""
    return _challenge(settings, tag, "ab", **options)


def _challenge(
    settings: Settings,
    tag: str | None,
    mode: _Tried,
    *,
    name: str | None,
    replace: bool,
    actor: Actor,
    reason: str,
    wait: float,
    as_json: bool,
    share: float | None = None,
    key: KeyKind | None = None,
    **policy: object,
) -> int:
    present = present_release(settings, model_name(settings, tag or name))
    before = present.base
    if tag is None and (before.challenger is None or before.is_fallback):
        raise ReleaseMisuse("There is no challenger: name the model to try, as NAME:VERSION")
    challenger = resolve_tag(tag) if tag else str(before.challenger)
    try:
        given = {option: value for option, value in policy.items() if value is not None}
        changed = Policy.model_validate(
            {**_policy_before(before.policy, challenger, before.challenger), **given}
        )
        after = challenged(
            before, challenger, mode, share=share, key=key, policy=changed, may_replace=replace
        )
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise ReleaseMisuse(f"{at}: {first['msg']}" if at else first["msg"]) from error
    check_challenger(settings, before, challenger)
    return make_and_tell(present, mode, after, Wish(actor, reason, wait, as_json))


def _policy_before(policy: Policy, challenger: str, present: str | None) -> Mapping[str, object]:
    """What stays of the policy: all of it for the same challenger."""
    return policy.model_dump() if challenger == present else {}
