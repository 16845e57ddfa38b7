"""Whether a recorded request named the version of the model that was to answer it.

A message of gRPC is not decoded for that: its fields are skipped up to that of the version.
"""

from service.audit.file.kept_body import body_bytes
from service.audit.file.logged_record import LoggedRecord

_VERSION_IN_PATH = "/versions/"
_VERSION_FIELD = 2
"""``model_version`` of ``ModelInferRequest``."""
_LENGTH_DELIMITED = 2
_MORE = 0x80
_SHORT_FIELDS = 8
"""Writers put the fields in order: name, version, id, ... The tensors after them are not looked at."""


def names_version(record: LoggedRecord) -> bool:
    """Whether the request named a version."""
    if record.transport == "grpc":
        return _message_names_version(body_bytes(record.request))
    return _VERSION_IN_PATH in record.route


def _message_names_version(message: bytes) -> bool:
    place = 0
    try:
        for _ in range(_SHORT_FIELDS):
            if place >= len(message):
                return False
            tag, place = _varint(message, place)
            if tag & 7 != _LENGTH_DELIMITED:
                return False
            length, place = _varint(message, place)
            if tag >> 3 == _VERSION_FIELD:
                return length > 0
            place += length
    except IndexError:
        pass
    return False


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and the place after it; raises IndexError at the end of the message."""
    value = shift = 0
    while (byte := message[place]) & _MORE:
        value |= (byte & ~_MORE) << shift
        shift, place = shift + 7, place + 1
    return value | byte << shift, place + 1
