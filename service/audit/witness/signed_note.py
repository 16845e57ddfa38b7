"""Checkpoints as text: https://c2sp.org/tlog-checkpoint, signed as https://c2sp.org/signed-note says.

    tabento/LOG_ID
    SIZE
    base64 of the root

    - tabento/LOG_ID base64(key id || Ed25519 signature)
    - tabento/LOG_ID base64(key id || time || Ed25519 signature)

The dash is an em dash. The second signature is a cosignature by the same key
(https://c2sp.org/tlog-cosignature), which signs the time. The ids of the two differ.
"""

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

_ORIGIN = "tabento/"
_SIGNATURE, _COSIGNATURE = b"\x01", b"\x04"
"""Types of signatures."""
_DASH = "\N{EM DASH} "
_KEY_ID_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 4, 8, 64


class NoteInvalid(ValueError):
    """A text is no checkpoint of this log; the message says why."""


class Signer(Protocol):
    """A private key."""

    public_key: bytes

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of a message."""


class SignatureCheck(Protocol):
    """Whether a signature of a message is that of a public key."""

    def __call__(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """Check it."""


class Note(NamedTuple):
    """A checkpoint as it was signed."""

    origin: str
    size: int
    root: bytes
    time: int
    """Seconds since 1970."""


def time_of(note: Note) -> datetime:
    """When a checkpoint was signed; raises NoteInvalid for a time that is none."""
    try:
        return datetime.fromtimestamp(note.time, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise NoteInvalid("its time is not one") from error


def origin_of(log_id: str) -> str:
    """The name of a log in its checkpoints."""
    return _ORIGIN + log_id


def verifier_key(origin: str, public_key: bytes) -> str:
    """A public key as signed-note writes it."""
    material = _SIGNATURE + public_key
    return f"{origin}+{_key_id(origin, _SIGNATURE, public_key).hex()}+{b64encode(material).decode()}"


def public_key_of(key: str) -> bytes:
    """The 32 bytes of a verifier key; raises NoteInvalid."""
    try:
        origin, id_, encoded = key.split("+", 2)
        material = b64decode(encoded, validate=True)
    except ValueError as error:
        raise NoteInvalid("its verifier key is not one") from error
    if material[:1] != _SIGNATURE or _key_id(origin, _SIGNATURE, material[1:]).hex() != id_:
        raise NoteInvalid("its verifier key is not one")
    return material[1:]


def make_note(note: Note, signer: Signer) -> str:
    """The text of a checkpoint, with its signatures."""
    body = _body(note)
    plain = signer.sign(body.encode())
    timed = signer.sign(_cosigned(note.time, body))
    key_ids = [_key_id(note.origin, type_, signer.public_key) for type_ in (_SIGNATURE, _COSIGNATURE)]
    blobs = [key_ids[0] + plain, key_ids[1] + note.time.to_bytes(_TIME_BYTES) + timed]
    return body + "\n" + "".join(f"{_DASH}{note.origin} {b64encode(blob).decode()}\n" for blob in blobs)


def parse_note(text: str) -> Note:
    """The checkpoint that a text is, by any key; raises NoteInvalid."""
    body, blobs = _parts(text)
    origin, size, root = body.split("\n")[:3]
    (_, timed) = blobs[1]
    return Note(origin, int(size), b64decode(root), int.from_bytes(timed[_KEY_ID_BYTES:][:_TIME_BYTES]))


def check_note(text: str, key: str, is_signature: SignatureCheck) -> Note:
    """The checkpoint that a text is, signed by this verifier key; raises NoteInvalid."""
    note, (body, blobs), public_key = parse_note(text), _parts(text), public_key_of(key)
    ids = [_key_id(note.origin, type_, public_key) for type_ in (_SIGNATURE, _COSIGNATURE)]
    if [(note.origin, id_) for id_ in ids] != [(name, blob[:_KEY_ID_BYTES]) for name, blob in blobs]:
        raise NoteInvalid("it is signed by another key")
    plain, timed = (blob[_KEY_ID_BYTES:] for _, blob in blobs)
    signed = (plain, body.encode()), (timed[_TIME_BYTES:], _cosigned(note.time, body))
    if any(len(one) != _SIGNATURE_BYTES or not is_signature(public_key, one, of) for one, of in signed):
        raise NoteInvalid("its signature is not that of its text")
    return note


def _parts(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text that is signed, and the name and the bytes of each of its two signatures."""
    body, separator, signatures = text.partition("\n\n")
    body += "\n"
    lines = signatures.split("\n")
    try:
        blobs = []
        for line in lines[:-1]:
            dash, name, encoded = line.split(" ")
            blobs.append((name, b64decode(encoded, validate=True)))
            if f"{dash} " != _DASH:
                raise NoteInvalid("it is not a checkpoint")
        origin, size, root, end = body.split("\n")
        if body != _body(Note(origin, int(size), b64decode(root, validate=True), 0)):
            raise NoteInvalid("it is not a checkpoint")
    except ValueError as error:
        raise NoteInvalid("it is not a checkpoint") from error
    if not separator or lines[-1] or end or len(blobs) != len((_SIGNATURE, _COSIGNATURE)):
        raise NoteInvalid("it is not a checkpoint")
    return body, blobs


def _body(note: Note) -> str:
    return f"{note.origin}\n{note.size}\n{b64encode(note.root).decode()}\n"


def _cosigned(time: int, body: str) -> bytes:
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def _key_id(name: str, type_: bytes, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + type_ + public_key).digest()[:_KEY_ID_BYTES]
