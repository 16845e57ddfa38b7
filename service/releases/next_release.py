"""The release that follows another by a change. A change that does not fit raises ReleaseMisuse."""

from datetime import UTC, datetime
from uuid import uuid4

from service.errors import ReleaseMisuse
from service.model.release.release import KeyKind, Mode, Policy, Release, single

DEFAULT_SHARES: dict[Mode, float] = {"canary": 0.05, "ab": 0.5}


def first_release(champion: str) -> Release:
    """The release of the model that is served without a release file."""
    return single(champion, new_id(), datetime.now(UTC))


def challenged(
    before: Release,
    challenger: str,
    mode: Mode,
    *,
    share: float | None = None,
    key: KeyKind | None = None,
    policy: Policy | None = None,
    may_replace: bool = False,
) -> Release:
    """With a challenger, in this mode. What is not given stays, if the challenger does."""
    if challenger == before.champion:
        raise ReleaseMisuse(f"{challenger} is the champion: a challenger is another model")
    is_same = challenger == before.challenger and not before.is_fallback
    if before.challenger is not None and not is_same and not may_replace:
        raise ReleaseMisuse(
            f"{before.challenger} is the challenger, in {before.mode}. One model is tried at a time: end "
            "that with `python -m service.releases stop`, or give --replace"
        )
    return _next(
        before,
        challenger=challenger,
        mode=mode,
        share=DEFAULT_SHARES.get(mode, 0.0) if share is None else share,
        key=key or (before.key if is_same else "subject"),
        # The same salt keeps the keys of a challenger whose share grows.
        salt=before.salt if is_same and before.salt else uuid4().hex,
        policy=policy or (before.policy if is_same else Policy()),
        is_fallback=False,
    )


def promoted(before: Release) -> Release:
    """With the challenger as champion, and the former champion in shadow for a while."""
    if before.challenger is None:
        raise ReleaseMisuse(f"{before.champion} is served alone: there is no challenger to promote")
    if before.is_fallback:
        raise ReleaseMisuse(
            f"{before.challenger} is the former champion. To go back to it, use `python -m service.releases "
            "rollback`"
        )
    has_fallback = before.policy.fallback_hours > 0
    return _next(
        before,
        champion=before.challenger,
        challenger=before.champion if has_fallback else None,
        mode="shadow" if has_fallback else "single",
        share=0.0,
        salt=uuid4().hex if has_fallback else "",
        is_fallback=has_fallback,
        previous=before.champion,
    )


def rolled_back(before: Release) -> Release:
    """Without the challenger; after a promotion, with the former champion again."""
    if before.challenger is not None and not before.is_fallback:
        return stopped(before)
    if before.previous is None:
        raise ReleaseMisuse(
            f"{before.champion} is served alone, and there is no former champion to go back to"
        )
    return _next(before, champion=before.previous, previous=None, **_ALONE)


def stopped(before: Release) -> Release:
    """Without the challenger."""
    if before.challenger is None:
        raise ReleaseMisuse(f"{before.champion} is served alone: there is no challenger to stop")
    return _next(before, **_ALONE)


_ALONE: dict[str, object] = {
    "challenger": None,
    "mode": "single",
    "share": 0.0,
    "salt": "",
    "is_fallback": False,
}


def _next(before: Release, **changes: object) -> Release:
    """Another release, validated."""
    fresh = {"release_id": new_id(), "since_utc": datetime.now(UTC), "reason": "", "changed_by": ""}
    return Release.model_validate({**before.model_dump(), **fresh, **changes})


def new_id() -> str:
    """The id of a release."""
    return uuid4().hex
