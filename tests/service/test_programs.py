"""A run of the tests states what it skipped for lack of a program."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.servers import PROJECT

CONFTEST = """
from tests.support.programs import tell_untested as pytest_terminal_summary
"""
TESTS = """
import pytest
from tests.support.programs import path_of

@pytest.mark.parametrize("program", ["promtool", "promtool", "chromium"])
def test_of_a_program(program):
    path_of(program)
"""


def test_what_was_skipped_is_told_in_one_line_with_the_way_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_skipped.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    env = {"PATH": str(tmp_path), "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert (
        "Not tested: 1 need chromium, 2 need prometheus. "
        "To test them too: .ci/install-tools chromium prometheus" in done.stdout.splitlines()
    )
