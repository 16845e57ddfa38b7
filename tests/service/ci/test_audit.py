"""The audit of the dependencies: green only if somebody was asked who knows."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Set
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.servers import PROJECT, free_port

JINJA = ("jinja2", "2.4.1")


def advisory(name: str) -> dict[str, object]:
    """An advisory in the format of OSV, version 1."""
    return {
        "id": f"GHSA-{name}",
        "summary": "what it is",
        "affected": [
            {
                "package": {"name": name, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
            }
        ],
    }


Source = Callable[..., str]


@pytest.fixture
def source() -> Iterator[Source]:
    """Start a source of advisories that speaks OSV's protocol and knows what it is told; gives its URL."""
    started: list[ThreadingHTTPServer] = []

    def start(*, known: Set[tuple[str, str]] = frozenset(), names: Set[str] = frozenset()) -> str:
        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["content-length"])))
                name = query["package"]["name"]
                found = (name, query["version"]) in known or name in names
                body = json.dumps({"vulns": [advisory(name)]} if found else {}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        started.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def audit(url: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "requirements" / "audit.py"), "--vulnerability-service", "osv"]
    command += ["--osv-url", url, "--cache-dir", str(cache)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_is_green_where_the_source_knows_the_known_one_and_nothing_else(
    source: Source, tmp_path: Path
) -> None:
    done = audit(source(known={JINJA}), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "packages looked up, 0 vulnerabilities" in done.stdout


def test_a_finding_names_the_package_and_the_release_that_mends_it(source: Source, tmp_path: Path) -> None:
    done = audit(source(known={JINJA}, names={"numpy"}), tmp_path)
    assert done.returncode == 1
    assert "GHSA-numpy, fixed in 999" in done.stdout


def test_a_source_that_knows_nothing_is_no_all_clear(source: Source, tmp_path: Path) -> None:
    done = audit(source(), tmp_path)
    assert done.returncode == 2
    assert "jinja2==2.4.1, which is known to be vulnerable" in done.stderr


def test_a_source_out_of_reach_is_no_all_clear(tmp_path: Path) -> None:
    done = audit(f"http://127.0.0.1:{free_port()}/v1/query", tmp_path)
    assert done.returncode == 2
    assert "pip-audit did not finish" in done.stderr
