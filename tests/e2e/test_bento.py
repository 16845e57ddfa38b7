"""The real commands, as a user runs them: train, build, serve from elsewhere, call, reconcile, stop."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.servers import Restartable, Serve, Server, metric, run, workers
from tests.support.waiting import await_true

REQUESTS = "tabento_requests_total"
STATUSES = ("200", "422")
LABELS = ("setosa", "virginica")


def build(model: str, stores: dict[str, str]) -> str:
    done = run("-m", "bentoml", "build", "--arg", f"model={model}", "--output", "tag", env=stores)
    tag = re.search(r"__tag__:(\S+)", done.stdout)
    assert tag, done.stdout
    return tag[1]


@pytest.fixture(scope="module")
def bento(iris: str, stores: dict[str, str]) -> str:
    """A built bento, after which another model of the same name was published."""
    bento = build(iris, stores)
    assert publish_another(iris, stores) != iris
    return bento


def publish_another(model: str, stores: dict[str, str]) -> str:
    program = f"""
import bentoml, shutil
old = bentoml.models.get({model!r})
with bentoml.models.create(old.tag.name, metadata=old.info.metadata) as new:
    shutil.copytree(old.path, new.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("model.yaml"))
print(bentoml.models.get(old.tag.name).tag)
"""
    return run("-c", program, env=stores).stdout.strip()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def shared(bento: str, serve: Serve, elsewhere: Path) -> Iterator[Restartable]:
    """That bento, served from another folder with two workers."""
    start = partial(serve, bento, cwd=elsewhere, TABENTO_WORKERS="2", PYTHONPATH="")
    with closing(Restartable(start)) as shared:
        yield shared


@pytest.fixture
def server(shared: Restartable) -> Server:
    return shared.running()


def exported(server: Server, stores: dict[str, str]) -> list[dict[str, Any]]:
    done = run("-m", "service.audit", "--db", server.audit_db, "export", "--format", "jsonl", env=stores)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_bento_has_the_files_of_its_pages(server: Server) -> None:
    for path in ("/", "/docs"):
        page = httpx.get(f"{server.url}{path}", headers={"accept": "text/html"}, timeout=30).text
        files = re.findall(r'(?:src|href)="(static_content/[^"]+)"', page)
        assert len(files) >= 3
        for file in files:
            assert httpx.get(f"{server.url}/{file}", timeout=30).status_code == 200, file


def counts(server: Server) -> Counter[str]:
    """How often each status was answered, each label predicted, and how many records were written, so far."""
    answered = {name: metric(server.url, REQUESTS, method="POST", status=name) for name in STATUSES}
    predicted = {name: metric(server.url, "tabento_predictions_total", label=name) for name in LABELS}
    recorded = metric(server.url, "tabento_audit_records_total", outcome="written")
    return Counter({name: int(n) for name, n in (answered | predicted | {"recorded": recorded}).items()})


def test_what_clients_got_what_metrics_counted_and_what_the_log_holds_are_the_same(
    server: Server, stores: dict[str, str]
) -> None:
    bodies = [SETOSA, VIRGINICA, {**SETOSA, "petal_width": -1}]

    def ask(i: int) -> httpx.Response:
        # A connection for each request, so that both workers get some.
        if i % 5 == 0:
            return httpx.post(
                f"{server.url}/predict/batch", json={"instances": [SETOSA, VIRGINICA]}, timeout=30
            )
        return httpx.post(f"{server.url}/predict", json=bodies[i % 3], timeout=30)

    before = counts(server)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(300)))

    by_status = Counter(str(answer.status_code) for answer in answers)
    assert set(by_status) == set(STATUSES)
    labels = Counter(label for a in answers if a.status_code == 200 for label in a.json()["predictions"])
    assert set(labels) == set(LABELS)
    assert len(workers(server)) == 2

    assert counts(server) - before == by_status + labels + Counter(recorded=300)

    log = {record["request_id"]: record for record in exported(server, stores)}
    for answer in answers:
        record = log[answer.headers["x-request-id"]]
        assert record["status"] == answer.status_code
        assert record["response"] == answer.json()
        assert record["request"] == json.loads(answer.request.content)


def test_bentomls_own_client_calls_the_api(server: Server, stores: dict[str, str]) -> None:
    program = f"""
import bentoml, json
with bentoml.SyncHTTPClient({server.url!r}) as client:
    one = client.predict({SETOSA})
    two = client.predict_batch({{"instances": [{VIRGINICA}, {SETOSA}]}})
print(json.dumps(one["predictions"] + two["predictions"]))
"""
    assert json.loads(run("-c", program, env=stores).stdout) == ["setosa", "virginica", "setosa"]


def test_a_killed_worker_is_replaced_and_the_counts_go_on(server: Server) -> None:
    before = metric(server.url, "tabento_predictions_total")
    victim = workers(server)[0]
    victim.kill()

    def is_replaced() -> bool:
        alive = workers(server)
        return len(alive) == 2 and victim.pid not in {worker.pid for worker in alive}

    await_true(is_replaced, "the worker is replaced", step_s=0.1, state=lambda: server.log)
    server.await_ready()
    for _ in range(10):
        assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
    assert metric(server.url, "tabento_predictions_total") == before + 10
    assert metric(server.url, "tabento_model_info") == 1


def test_a_bento_keeps_its_model_when_another_is_published(
    bento: str, iris: str, server: Server, stores: dict[str, str]
) -> None:
    info = json.loads(run("-m", "bentoml", "get", bento, "-o", "json", env=stores).stdout)
    built_with = info["args"]["model"]
    assert [model["tag"] for model in info["services"][0]["models"]] == [built_with] == [iris]
    assert httpx.get(f"{server.url}/model/info", timeout=30).json()["tag"] == built_with


def test_a_bento_that_is_stopped_leaves_a_whole_log_and_no_process(
    server: Server, elsewhere: Path, stores: dict[str, str]
) -> None:
    before = [record["request_id"] for record in exported(server, stores)]
    children = psutil.Process(server.process.pid).children(recursive=True)
    answer = httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30)
    assert server.stop() == 0
    assert not any(child.is_running() for child in children)
    logged = [record["request_id"] for record in exported(server, stores)]
    assert sorted(logged) == sorted([*before, answer.headers["x-request-id"]])
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TABENTO_WORKERS": "none"}, "TABENTO_WORKERS=none cannot be used"),
        ({"TABENTO_AUDIT_DB": "/proc/audit.db"}, "The audit log /proc/audit.db cannot be used"),
    ],
)
def test_a_start_that_cannot_work_ends_with_a_sentence(
    iris: str, serve: Serve, settings: dict[str, str], sentence: str
) -> None:
    assert iris
    with pytest.raises(pytest.fail.Exception, match=re.escape(sentence)) as failed:
        serve(**settings)
    assert "Traceback" not in str(failed.value)


def test_a_model_that_is_not_published_is_named_with_the_way_to_one(iris: str, serve: Serve) -> None:
    assert iris
    with pytest.raises(pytest.fail.Exception, match=r"no model 'penguins'.*python -m training"):
        serve(model="penguins")
