"""A stand-in for a program that cannot be had where the tests run: it writes down how it was called."""

from pathlib import Path


def record_calls(folder: Path, program: str, then: str = "exit 0") -> Path:
    """Put the stand-in into a folder of the PATH; gives the file of its calls, one a line."""
    folder.mkdir(exist_ok=True)
    calls = folder / f"{program}.calls"
    calls.touch()
    path = folder / program
    path.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{then}\n')
    path.chmod(0o755)
    return calls
