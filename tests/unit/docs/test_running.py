"""The tests of documents find what is wrong with one, and run nothing that is marked."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents.blocks import Block, Served, commands, read_page
from tests.support.documents.expected_outputs import same
from tests.support.documents.running import run_blocks
from tests.support.documents.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path, dict(os.environ))
    yield session
    session.close()


def blocks(tmp_path: Path, page: str) -> list[Block | Served]:
    path = tmp_path / "page.md"
    path.write_text(page)
    return read_page(path)


def wrong(tmp_path: Path, session: Session, page: str) -> list[str]:
    """What running a page finds."""
    return run_blocks(blocks(tmp_path, page), session, lambda *_: None, lambda _: None)


def test_a_page_that_shows_what_happens_is_right(tmp_path: Path, session: Session) -> None:
    page = """
```console
$ export PLANET=world
$ mkdir folder && cd folder
$ for word in hello "$PLANET"; do
>   echo $word
> done
hello
world
```

```console
$ echo $PLANET; basename $PWD
world
folder
```

```python
print("6 ms")
```

```text
5.1 ms
```
"""
    assert wrong(tmp_path, session, page) == []


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("```console\n$ echo yes\nno\n```", "line 1: $ echo yes\nwrites\nyes\n"),
        ("```console\n$ false\n```", "line 1: $ false\nexits with 1\n"),
        ("```python\nprint('yes')\n```\n\n```text\nno\n```", "line 1: the program prints\nyes\n"),
        ("```console\n$ make nothing\n```", "line 1: $ make nothing\nthe Makefile has nothing like it"),
        ("```console\n$ make sbom\nbill\n```", "line 1: $ make sbom\nis not run, so its output is not"),
        ("```python\nraise KeyError('lost')\n```", "line 1: the program fails\nTraceback"),
    ],
)
def test_what_a_page_shows_wrongly_is_found(tmp_path: Path, session: Session, block: str, found: str) -> None:
    (text,) = wrong(tmp_path, session, block)
    assert text.startswith(found)


def test_each_program_of_a_page_can_be_copied_alone(tmp_path: Path, session: Session) -> None:
    page = "```python\nimport json\n```\n\n```python\njson\n```\n"
    (text,) = wrong(tmp_path, session, page)
    assert "NameError" in text


def test_what_is_marked_is_not_run(tmp_path: Path, session: Session) -> None:
    page = "<!-- not run: it fails -->\n```console\n$ false\n```\n"
    assert wrong(tmp_path, session, page) == []
    (block,) = blocks(tmp_path, page)
    assert isinstance(block, Block)
    assert (block.not_run, block.is_run) == ("it fails", False)


def test_a_mark_is_for_the_block_directly_behind_it(tmp_path: Path) -> None:
    page = "<!-- not run: it fails -->\n\nA sentence.\n\n```console\n$ false\n```\n"
    (block,) = blocks(tmp_path, page)
    assert isinstance(block, Block)
    assert block.is_run


def test_a_page_says_what_is_served(tmp_path: Path) -> None:
    page = "<!-- served: loans TABENTO_WORKERS=2 TABENTO_API_KEYS_FILE=keys.json -->\n"
    settings = {"TABENTO_WORKERS": "2", "TABENTO_API_KEYS_FILE": "keys.json"}
    assert blocks(tmp_path, page) == [Served(1, "loans", settings)]


def test_directives_of_sphinx_are_no_code(tmp_path: Path) -> None:
    page = "```{toctree}\nindex\n```\n\n```{code-block} console\n$ true\n```\n"
    (block,) = blocks(tmp_path, page)
    assert isinstance(block, Block)
    assert block.language == "console"


def test_a_command_goes_on_while_a_quote_a_line_or_a_document_is_open() -> None:
    text = "$ a \\\n    b\n$ c '{\n}'\n1\n$ cat <<END\nd\nEND\n2"
    assert [(it.text, it.output) for it in commands(text)] == [
        ("a \\\n    b", ""),
        ("c '{\n}'", "1"),
        ("cat <<END\nd\nEND", "2"),
    ]


@pytest.mark.parametrize(
    ("shown", "written", "is_same"),
    [
        ("a  b\n", "a\nb", True),
        ("a b", "a c", False),
        ("from ... to", "from here\nto", True),
        ("at 2026-11-26T22:54:28.405736Z", "at 2027-01-02T03:04:05Z", True),
        ("01a21a11-4235-763d-bcd0-a72b5c1ffd8b", "01a21a11-42a8-7cbb-9d05-a6110b99f346", True),
        ("loans:fqg4gxhj5s2zeax4", "loans:i4y2wjxj5sqqoax4", True),
        ("loans:fqg4gxhj5s2zeax4", "iris:i4y2wjxj5sqqoax4", False),
        ('{"a": 0.12345678, "b_ms": 3}', '{"a":0.1234567801,"b_ms":4}', True),
        ('{"a": 0.123456}', '{"a":0.123457}', False),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', False),
        ('{"a_utc": null}', '{"a_utc": "2027-01-02T03:04:05Z"}', False),
        ('{"a": ...', '{"a": 1}', True),
    ],
)
def test_an_output_is_compared_apart_from_what_differs_each_time(
    shown: str, written: str, is_same: bool
) -> None:
    assert same(shown, written) is is_same
