"""Commands of the project, run in the test's own process: a process takes half a second to start."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess

import pytest


def run_here(
    main: Callable[[Sequence[str]], int], *arguments: object, **environment: str
) -> CompletedProcess[str]:
    """Run a command's main function; gives what it wrote and returned."""
    given = [str(argument) for argument in arguments]
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main(given)
    return CompletedProcess(given, code, *map(_text, (stdout, stderr)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()
