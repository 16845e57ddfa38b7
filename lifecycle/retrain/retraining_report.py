"""What a retraining found, as text for a person, or as one JSON object for a program."""

from collections.abc import Iterator

from lifecycle.retrain.challenger_release import NotReleased
from lifecycle.retrain.retraining import Retraining
from lifecycle.retrain.retraining_data import Parent, RetrainingData


def as_json(done: Retraining) -> dict[str, object]:
    """The result of a retraining."""
    reasons = list(done.release.reasons) if isinstance(done.release, NotReleased) else []
    return {
        "released": done.release.is_released,
        "reasons": reasons,
        "verdict": done.gate.verdict,
        "tag": done.tag,
        "version": done.version,
        "champion": done.gate.champion,
        "checks": [check.model_dump(mode="json") for check in done.gate.checks],
        "data": done.data.summary,
        "lineage": done.lineage.model_dump(mode="json"),
        "aliases": list(done.aliases),
    }


def plan_as_json(parent: Parent, data: RetrainingData) -> dict[str, object]:
    """What a retraining would train on."""
    return {"released": False, "dry_run": True, "champion": parent.tag, "data": data.summary}


def as_text(done: Retraining) -> str:
    """The result of a retraining, in lines."""
    return "\n".join(_lines(done)) + "\n"


def _lines(done: Retraining) -> Iterator[str]:
    yield from data_lines(done.data)
    yield f"Challenger: {done.tag}, version {done.version}. Champion: {done.gate.champion}."
    for check in done.gate.checks:
        yield f"  {check.name:<12} {check.verdict:<12} {check.text}"
    yield f"The gate: {done.gate.verdict}."
    if isinstance(done.release, NotReleased):
        yield "Not released; the version is registered with the reasons."
        if done.gate.verdict == "passed":
            yield from done.release.reasons
    else:
        yield f"Released in shadow. {done.release.said}".rstrip()


def data_lines(data: RetrainingData) -> Iterator[str]:
    """What is trained on, in lines."""
    table = data.table
    yield (
        f"{len(table.frame):,} rows to train on: {table.table_rows:,} of the published table, "
        f"{len(table.logged):,} of the log; {len(table.held_out.rows):,} newer ones are held out."
    )
    for reason, rows in sorted(data.labels.dropped.items()):
        yield f"Left out: {rows:,} labelled rows ({reason})."
    if data.warning:
        yield f"Warning: {data.warning}"
