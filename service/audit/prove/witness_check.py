"""Compares the checkpoints of a log with those that its witnesses have."""

from collections.abc import Iterator, Mapping, Sequence

import apsw

from service.audit.file.raw_value import as_bytes, as_integer, as_text, fetch_all
from service.audit.prove.structure import Flaw
from service.audit.tree.log_tree import LogTree
from service.audit.witness.signed_note import Note, NoteInvalid, origin_of, parse_note, time_of
from service.audit.witness.timestamp_server import is_token_of
from service.audit.witness.witnesses import Kept, Witness, WitnessFailed

_WITNESSED = "SELECT witness, size, token FROM witnessed ORDER BY size"


def check_witnesses(
    connection: apsw.Connection,
    log_id: str,
    tree: LogTree,
    size: int,
    notes: Mapping[int, str],
    witnesses: Sequence[Witness],
    flaws: list[Flaw],
) -> int:
    """The number of entries that a witness covers, by what witnesses have and what the log says of others.

    ``notes`` are the checkpoints of the log. Faults are added to ``flaws``.
    """
    by_witness: dict[str, list[int]] = {}
    covered = 0
    for name, of, token in fetch_all(connection, _WITNESSED):
        witness, of_size = as_text(name), as_integer(of)
        by_witness.setdefault(witness, []).append(of_size)
        if of_size not in notes:
            flaws.append(
                Flaw("removed", f"the checkpoint of {of_size} entries, which {witness} has, is gone")
            )
        elif token is not None and not is_token_of(as_bytes(token), notes[of_size]):
            flaws.append(
                Flaw("changed", f"the time-stamp of the checkpoint of {of_size} entries is of another")
            )
        else:
            covered = max(covered, of_size)
    for one in witnesses:
        try:
            kept = one.kept(log_id)
        except WitnessFailed as error:
            flaws.append(Flaw("missing", f"witness {one.name} cannot be compared: {error}"))
            continue
        if kept is not None:
            found = list(_parsed(log_id, kept, flaws))
            _compare(one.name, tree, size, notes, found, by_witness.get(one.name, []), flaws)
            covered = max([covered, *(note.size for _, note in found)])
    return min(covered, size)


def _parsed(log_id: str, kept: Sequence[Kept], flaws: list[Flaw]) -> Iterator[tuple[str, Note]]:
    """What is a checkpoint of this log, with its name."""
    for name, text in kept:
        try:
            note = parse_note(text)
            time_of(note)
            if note.origin == origin_of(log_id):
                yield name, note
                continue
        except NoteInvalid:
            pass
        flaws.append(Flaw("inserted", f"{name} is no checkpoint of this log"))


def _compare(
    witness: str,
    tree: LogTree,
    size: int,
    notes: Mapping[int, str],
    found: Sequence[tuple[str, Note]],
    stated: Sequence[int],
    flaws: list[Flaw],
) -> None:
    sizes = {note.size for _, note in found}
    for gone in sorted({*stated} - sizes)[:1]:
        what = f"witness {witness} had the checkpoint of {gone} entries, and has it no more"
        flaws.append(Flaw("missing", what))
    for lost in sorted(sizes - {*notes})[:1]:
        what = f"witness {witness} has the checkpoint of {lost} entries, and the log has not"
        flaws.append(Flaw("removed", what))
    time = 0
    for name, note in found:
        if note.time < time:
            flaws.append(Flaw("reordered", f"{name} is from {time_of(note)}, before the one before it"))
        time = max(time, note.time)
    flaws += _contradiction(tree, size, found)


def _contradiction(tree: LogTree, size: int, found: Sequence[tuple[str, Note]]) -> Iterator[Flaw]:
    """The smallest checkpoint that the log contradicts, with the first entry in question."""
    agreed = 0
    for name, note in found:
        if note.size > size:
            what = f"{name} covers {note.size} entries, and the log ends before number {size + 1}"
            yield Flaw("missing", what)
            return
        if tree.root(note.size) != note.root:
            id_ = tree.id_at(agreed)
            since = f"number {agreed + 1}" + ("" if id_ is None else f" (id {id_})")
            what = f"{name} has other entries than the log, the first between {since} and number {note.size}"
            yield Flaw("different", what)
            return
        agreed = note.size
