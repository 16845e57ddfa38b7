"""Commands that end a trial: the challenger is promoted, rolled back, or stopped."""

import sys

import click

from service.audit.act import Actor
from service.errors import ReleaseMisuse
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.evidence.evidence_text import evidence_brief, evidence_text
from service.releases.commands.release_group import changing, releases
from service.releases.commands.told_change import NOT_IN_FORCE, Wish, make_and_tell
from service.releases.known_evidence import known_evidence
from service.releases.next_release import promoted, rolled_back, stopped
from service.releases.present_release import model_name, present_release
from service.releases.two_persons import check_promoter
from service.settings import Settings


@releases.command
@click.option("--force", is_flag=True, help="also against the evidence, or without any; recorded")
@changing
def promote(
    settings: Settings,
    *,
    name: str | None,
    force: bool,
    actor: Actor,
    reason: str,
    wait: float,
    as_json: bool,
) -> int:
    """Make the challenger the champion; the former champion stays in shadow for a while.

    The exit code is 1 unless the evidence recommends it, or --force is given.
    """
    present = present_release(settings, model_name(settings, name))
    before = present.base
    after = promoted(before)
    check_promoter(settings, after.champion, actor)
    evidence = known_evidence(settings, before.release_id)
    if not force and (evidence is None or evidence.action != "promote"):
        _tell_against(evidence)
        return NOT_IN_FORCE
    if not present.is_in_force and not force:
        raise ReleaseMisuse("The release with the challenger is not in force: see `show`, or give --force")
    return make_and_tell(
        present,
        "promote",
        after,
        Wish(actor, reason, wait, as_json),
        evidence=_brief(evidence),
        is_forced=force,
    )


@releases.command
@changing
def rollback(
    settings: Settings, *, name: str | None, actor: Actor, reason: str, wait: float, as_json: bool
) -> int:
    """Let the champion answer alone; after a promotion, the former champion."""
    present = present_release(settings, model_name(settings, name))
    before = present.base
    evidence = known_evidence(settings, before.release_id)
    after, wish = rolled_back(before), Wish(actor, reason, wait, as_json)
    return make_and_tell(present, "rollback", after, wish, evidence=_brief(evidence))


@releases.command
@changing
def stop(
    settings: Settings, *, name: str | None, actor: Actor, reason: str, wait: float, as_json: bool
) -> int:
    """End the trial without a verdict; the champion answers alone."""
    present = present_release(settings, model_name(settings, name))
    return make_and_tell(present, "stop", stopped(present.base), Wish(actor, reason, wait, as_json))


def _brief(evidence: Evidence | None) -> dict[str, object] | None:
    return None if evidence is None else evidence_brief(evidence)


def _tell_against(evidence: Evidence | None) -> None:
    if evidence is None:
        sys.stderr.write("Monitoring has no evidence of this release yet")
    else:
        sys.stdout.write(evidence_text(evidence))
        sys.stderr.write("The evidence does not recommend a promotion")
    sys.stderr.write(". To promote the challenger nevertheless, give --force.\n")
