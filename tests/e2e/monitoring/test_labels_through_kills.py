"""Labels that come late, out of order, twice and corrected, while every process is killed at random.

The figures then equal those that pandas computes from the export of the log.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import numpy as np
import psutil
from sklearn.metrics import f1_score

from tests.support.monitored_traffic import assessment_at, iris_rows, labelled_by_pandas
from tests.support.servers import Serve, Server, is_alive, run
from tests.support.waiting import await_true

REQUESTS, ROWS = 60, 20
SPECIES = ["setosa", "versicolor", "virginica"]
SETTINGS = {
    "TABENTO_WORKERS": "2",
    "TABENTO_MONITORING_WINDOW_SECONDS": "2",
    "TABENTO_MONITORING_WINDOW_ROWS": "50",
    "TABENTO_MONITORING_LABEL_HOURS": "0",
}


def sent_until_answered(server: Server, path: str, body: object, request_id: str | None = None) -> Any:
    """What a client gets that sends again until it is answered."""
    headers = {} if request_id is None else {"X-Request-ID": request_id}

    def answer() -> httpx.Response | None:
        with suppress(httpx.TransportError):
            found = httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=30)
            assert found.status_code in (200, 503, 504), found.text
            return found if found.status_code == 200 else None
        return None

    return await_true(answer, f"{path} is answered", step_s=0.2, state=lambda: server.log).json()


def kill_some_process(server: Server, random: np.random.Generator) -> None:
    """Kill a worker, a writer, a history process, the collector or a tracker of resources, as it comes."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    killable = [*filter(is_alive, children)]
    if killable:
        with suppress(ProcessLookupError):
            os.kill(killable[int(random.integers(len(killable)))].pid, signal.SIGKILL)


def outcomes_in_disorder(random: np.random.Generator) -> Iterator[list[dict[str, Any]]]:
    """Lists of outcomes: each row once or oftener, some first with a wrong label, in any order."""
    truths = [
        {"request_id": f"sent-{number}", "row": row, "label": label}
        for number in range(REQUESTS)
        for row, label in enumerate(iris_rows(ROWS, number)["species"])
        if random.random() < 0.8
    ]
    wrong = [{**one, "label": str(random.choice(SPECIES))} for one in truths if random.random() < 0.2]
    first = [*random.permutation(np.array([*truths, *wrong], dtype=object))]
    corrections = [one for one in truths if any(one["request_id"] == w["request_id"] for w in wrong)]
    everything = [*first, *corrections, *truths[:100]]
    for start in range(0, len(everything), 150):
        yield everything[start : start + 150]


def send_everything(server: Server, random: np.random.Generator, disturb: Callable[[], None]) -> None:
    """Predictions and outcomes, mixed: some outcomes come before their prediction."""
    numbers = [int(number) for number in random.permutation(REQUESTS)]
    lists = outcomes_in_disorder(random)
    for place, number in enumerate([*numbers, 0, 1]):  # Two request ids are used again.
        rows = iris_rows(ROWS, number).drop(columns="species").to_dict(orient="records")
        sent_until_answered(server, "/predict/batch", {"instances": rows}, f"sent-{number}")
        if place % 6 == 5 and (outcomes := next(lists, None)) is not None:
            sent_until_answered(server, "/feedback", outcomes)
        if place % 8 == 3:
            disturb()
    for outcomes in lists:
        sent_until_answered(server, "/feedback", outcomes)


def exported(server: Server, stores: dict[str, str], folder: Path) -> Path:
    output = folder / "export.jsonl"
    options = ["--format", "jsonl", "--output", str(output), "--by", "test"]
    run("-m", "service.audit", "--db", server.audit_db, "export", *options, env=stores)
    return output


def test_the_figures_equal_those_of_pandas_whatever_was_killed(
    serve: Serve, iris: str, stores: dict[str, str], tmp_path: Path
) -> None:
    random = np.random.default_rng(15)
    server = serve(model=iris, **SETTINGS)
    send_everything(server, random, lambda: kill_some_process(server, random))
    sleep(2)  # The last slot ends.
    labelled = labelled_by_pandas(exported(server, stores, tmp_path))

    def of_all_labels() -> dict[str, Any] | None:
        now = assessment_at(server.url)  # Empty where a worker has just started.
        return now if (now.get("quality") or {}).get("labelled") == len(labelled) else None

    found = await_true(
        of_all_labels,
        f"{len(labelled)} rows are labelled",
        step_s=0.5,
        state=lambda: f"{assessment_at(server.url)}\n{server.log}",
    )
    figures = {figure["metric"]: figure for figure in found["quality"]["figures"]}
    is_right = labelled["predicted"] == labelled["label"]
    assert figures["accuracy"]["value"] == np.float64(is_right.mean())
    by_sklearn = f1_score(labelled["label"], labelled["predicted"], average="macro")
    assert abs(figures["f1_macro"]["value"] - by_sklearn) < 1e-12
    assert figures["accuracy"]["low"] <= is_right.mean() <= figures["accuracy"]["high"]
    assert found["feedback"]["ambiguous"] > 0
    assert found["feedback"]["waiting"] == 0
