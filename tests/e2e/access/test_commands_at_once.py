"""Commands that change one file of keys at once lose nothing; one that is killed leaves a whole file."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.access.keyring import Keyring, make_key, read_keys
from tests.support.key_files import write_keys
from tests.support.servers import PROJECT
from tests.support.waiting import PATIENCE_S, await_true

NOBODY = 65534
COMMANDS = """
import sys
from service.access.__main__ import main
for course in sys.argv[2:]:
    for name in course.split(","):
        step, name = name.split(":")
        command = ["--file", sys.argv[1], "--db", sys.argv[1] + ".db", step, name]
        assert main([*command, "--by", "ada", "--reason", "a test"]) == 0, (step, name)
"""


def commands(file: Path, course: list[str]) -> subprocess.Popen[str]:
    """A process that runs one command after the other; the keys that it made are its output."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMANDS, str(file), ",".join(course)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_command_undoes_another(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, [make_key(f"old-{n}-{k}", ["predict"])[1] for n in range(6) for k in range(20)])
    courses = [
        [step for k in range(20) for step in (f"new:new-{n}-{k}", f"revoke:old-{n}-{k}")] for n in range(6)
    ]
    running = [commands(file, course) for course in courses]
    outputs = [process.communicate(timeout=PATIENCE_S) for process in running]
    for process, (_, said) in zip(running, outputs, strict=True):
        assert process.returncode == 0, said
    assert {key.name for key in read_keys(file) if key.is_valid} == {
        f"new-{n}-{k}" for n in range(6) for k in range(20)
    }
    keyring = Keyring(file)
    made = [text for shown, _ in outputs for text in shown.split()]
    assert len(made) == 120
    assert all(keyring.find(text.encode()) is not None for text in made)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(0, 0.15), min_size=1, max_size=3))
def test_a_command_that_is_killed_leaves_the_old_keys_or_the_new(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float]
) -> None:
    file = tmp_path_factory.mktemp("killed") / "keys.json"
    write_keys(file, [make_key("first", ["predict"])[1]])
    for attempt, pause in enumerate(pauses):
        with commands(file, [f"new:{attempt}-{n}" for n in range(1000)]) as process:
            await_true(
                lambda: len(read_keys(file)) >= 2 or process.poll() is not None, "a key is made", step_s=0.01
            )
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            shown, _ = process.communicate()
        names = [key.name for key in read_keys(file)]
        assert names[0] == "first"
        keyring = Keyring(file)
        assert all(
            keyring.find(text.encode()) for text in shown.split() if len(text) == len(shown.split()[0])
        )
    # The next command is not kept by what the killed ones left.
    with commands(file, ["new:last"]) as process:
        assert process.wait(PATIENCE_S) == 0
    assert read_keys(file)[-1].name == "last"
    assert {path.name for path in file.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_change_through_a_link_is_made_where_the_link_leads(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    target, link = tmp_path / "secret" / "keys.json", tmp_path / "keys.json"
    write_keys(target, [make_key("a", ["predict"])[1]])
    link.symlink_to(target)
    with commands(link, ["new:b", "revoke:a"]) as process:
        assert process.wait(PATIENCE_S) == 0
    assert link.is_symlink()
    assert [key.name for key in read_keys(target) if key.is_valid] == ["b"]


def test_a_change_keeps_the_rights_and_the_owner_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, [])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, NOBODY, NOBODY)
    before = file.stat()
    with commands(file, ["new:a"]) as process:
        assert process.wait(PATIENCE_S) == 0
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [key.name for key in read_keys(file)] == ["a"]
