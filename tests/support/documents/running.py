"""Runs the blocks of a page in their order, and says which do not do what the page shows."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.documents.blocks import Block, Command, Served, commands
from tests.support.documents.expected_outputs import same
from tests.support.documents.session import Session
from tests.support.servers import PROJECT

TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
_MAKE = re.compile(r"(?:[A-Z_]+=\S+ )*make ([a-z-]+)")
_ASSIGNED = re.compile(r"[A-Z_]+=.*")


def run_blocks(
    steps: Sequence[Block | Served],
    session: Session,
    start: Callable[[Session, Served], None],
    run_script: Callable[[str], None],
) -> list[str]:
    """Run what is to be run; gives a text for each block that does something else than its page shows."""
    wrong: list[str] = []
    for step in steps:
        if isinstance(step, Served):
            start(session, step)
        elif not step.is_run:
            continue
        elif step.language == "console":
            for command in commands(step.text):
                wrong += (f"line {step.line}: {text}" for text in _run_command(session, command))
        elif step.language == "python":
            wrong += (f"line {step.line}: {text}" for text in _run_program(session, step))
        else:
            run_script(session.with_addresses(step.text))
    return wrong


def _run_command(session: Session, command: Command) -> list[str]:
    if make := _MAKE.match(command.text):
        return _check_make(make[1], command)
    status, written = session.run_command(command.text)
    if command.output:
        return [] if same(command.output, written) else [f"$ {command.text}\nwrites\n{written}"]
    return [f"$ {command.text}\nexits with {status}\n{written}"] if status else []


def _check_make(target: str, command: Command) -> list[str]:
    """A target of the Makefile is tested elsewhere; here only that it is there."""
    words = shlex.split(command.text, comments=True)
    if command.output:
        return [f"$ {command.text}\nis not run, so its output is not checked: mark the block"]
    known = target in TARGETS and all(word in ("make", target) or _ASSIGNED.fullmatch(word) for word in words)
    return [] if known else [f"$ {command.text}\nthe Makefile has nothing like it"]


def _run_program(session: Session, block: Block) -> list[str]:
    printed, error = session.run_program(block.text)
    if error:
        return [f"the program fails\n{error}"]
    if block.prints is not None and not same(block.prints, printed):
        return [f"the program prints\n{printed}"]
    return []


def name_of(path: Path) -> str:
    """A page's path in the project."""
    return path.relative_to(PROJECT).as_posix()
