"""Whose key it is, among however many."""

import asyncio
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.keyring import Key, Keyring, make_key
from tests.support.key_files import write_keys

MANY = 10_000
characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
early_texts = st.text(characters, min_size=43, max_size=43).map(lambda secret: f"tabento_{secret}")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    made = [make_key(f"key-{n}", ["predict"]) for n in range(MANY)]
    file = tmp_path_factory.mktemp("many") / "keys.json"
    write_keys(file, [key for _, key in made])
    return file, [text for text, _ in made]


def early_key(name: str, text: str) -> Key:
    """A key as earlier versions made them, without an identifier."""
    return Key(
        name=name, sha256=sha256(text.encode()).hexdigest(), scopes=("read",), created_utc="2026-01-01"
    )


def test_each_of_many_keys_is_found_and_none_that_differs_by_a_character(
    many: tuple[Path, list[str]],
) -> None:
    file, texts = many
    keyring = Keyring(file)
    for n in range(0, MANY, 97):
        found = keyring.find(texts[n].encode())
        assert found is not None
        assert found.name == f"key-{n}"
        assert keyring.find(texts[n][:-2].encode() + texts[n][-1:].encode()) is None
        # The identifier of one key with the secret of another.
        assert keyring.find((texts[n][:21] + texts[n - 1][21:]).encode()) is None


@given(early_texts, early_texts, st.binary(max_size=80))
def test_keys_without_an_identifier_go_on_working(
    tmp_path_factory: pytest.TempPathFactory, one: str, other: str, neither: bytes
) -> None:
    file = tmp_path_factory.mktemp("early") / "keys.json"
    text, key = make_key("new", ["predict"])
    write_keys(file, [early_key("early", one), key])
    keyring = Keyring(file)
    names = [
        None if found is None else found.name
        for found in map(keyring.find, (one.encode(), text.encode(), other.encode(), neither))
    ]
    assert names == ["early", "new", "early" if other == one else None, None]


def test_a_refusal_takes_no_longer_with_many_keys(many: tuple[Path, list[str]], tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", [make_key("only", ["predict"])[1]])
    few, full = Keyring(tmp_path / "keys.json"), Keyring(many[0])
    given_key = make_key("unknown", ["predict"])[0].encode()

    def cpu_s(keyring: Keyring) -> float:
        started = time.thread_time()
        for _ in range(300):
            assert keyring.find(given_key) is None
        return time.thread_time() - started

    # Compared one by one, 10,000 keys take some thousand times as long as one.
    assert min(cpu_s(full) for _ in range(5)) < 20 * min(cpu_s(few) for _ in range(5))


def test_the_event_loop_goes_on_while_many_keys_are_read(
    many: tuple[Path, list[str]], tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(many[0].read_bytes())

    async def longest_wait_s() -> float:
        keyring = Keyring(file)
        write_keys(file, [make_key("another", ["read"])[1]])
        file.write_bytes(many[0].read_bytes() + b"\n")
        reading = asyncio.ensure_future(asyncio.to_thread(keyring.refresh))
        longest = 0.0
        while not reading.done():
            started = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - started)
        assert keyring.find(many[1][-1].encode()) is not None
        return longest

    # The best of several, for what else the machine does has its part in each.
    assert min(asyncio.run(longest_wait_s()) for _ in range(8)) < 0.05
