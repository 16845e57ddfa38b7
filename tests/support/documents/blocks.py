"""What is in a page: its code blocks, in their order, and what it says about running them.

- ``<!-- not run: REASON -->`` directly before a block: it is not run.
- ``<!-- served: MODEL SETTING=VALUE ... -->``: from here on this model is served, on the ports that the page
  shows, with its log in the page's folder.
- A ``text`` block directly behind a ``python`` block is what the program prints.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.servers import PROJECT

PAGES = sorted([PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")])

RUN = frozenset({"console", "python", "js"})
"""Languages that are run, unless a block is marked."""
PARSED = frozenset({"json", "yaml"})
SHOWN = frozenset({"text", "mermaid"})
"""Languages of which there is nothing to run."""

_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
_SERVED = re.compile(r"<!-- served: (\S+)(.*?) -->")
_DIRECTIVE = re.compile(r"\{(?!code-block\}).*\}.*")


@dataclass(frozen=True)
class Block:
    """A code block."""

    line: int
    language: str
    text: str
    not_run: str | None = None
    """The reason, if the page gives one."""
    prints: str | None = None
    """What a program prints, if the page shows it."""

    @property
    def is_run(self) -> bool:
        return self.language in RUN and self.not_run is None


@dataclass(frozen=True)
class Served:
    """From here on this model is served."""

    line: int
    model: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Command:
    """A command of a console block, with the output that the block shows."""

    text: str
    output: str


def read_page(path: Path) -> list[Block | Served]:
    """The blocks of a page."""
    tokens = [token for token in MarkdownIt().parse(path.read_text()) if not token.type.endswith("_close")]
    found: list[Block | Served] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "html_block" and (served := _SERVED.search(token.content)):
            settings = dict(setting.split("=", 1) for setting in shlex.split(served[2]))
            found.append(Served(_line(token), served[1], settings))
        if token.type != "fence" or _DIRECTIVE.fullmatch(token.info):
            continue
        language = token.info.removeprefix("{code-block}").strip()
        program = found[-1] if found and before is not None and before.type == "fence" else None
        if language == "text" and isinstance(program, Block) and program.language == "python":
            found[-1] = replace(program, prints=token.content)
            continue
        found.append(Block(_line(token), language, token.content, _reason(before)))
    return found


def _reason(before: Token | None) -> str | None:
    """Why a block is not run, if what stands before it says so."""
    marked = _NOT_RUN.search(before.content) if before is not None and before.type == "html_block" else None
    return marked[1] if marked else None


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0


def commands(text: str) -> Iterator[Command]:
    """The commands of a console block: each begins with ``$ ``, what follows up to the next is its output."""
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), f"a console block begins with a command, not with {line!r}"
        command = line[2:]
        while lines and (lines[0].startswith("> ") or not _is_whole(command)):
            command += "\n" + lines.pop(0).removeprefix("> ")
        output = []
        while lines and not lines[0].startswith("$ "):
            output.append(lines.pop(0))
        yield Command(command, "\n".join(output))


def _is_whole(command: str) -> bool:
    if command.endswith("\\"):
        return False
    if here := re.search(r"<<-?\s*['\"]?(\w+)['\"]?\s*$", command.partition("\n")[0]):
        return command.endswith(f"\n{here[1]}")
    try:
        shlex.split(command, comments=True)
    except ValueError:  # A quote is open.
        return False
    return True
