"""Which records are about a person: those that name the person, and the outcomes of those.

An outcome names the person of its prediction only if that was in the log when the outcome came.
"""

from typing import Any

import apsw

_OF_SUBJECT = """
    SELECT id FROM request WHERE subject = ?1
    UNION SELECT o.request FROM request AS p JOIN outcome AS o ON o.request_id = p.request_id
    WHERE p.subject = ?1
    ORDER BY 1
"""


def ids_of_subject(connection: apsw.Connection, subject: str) -> list[int]:
    """The ids of all records of the person with this keyed hash, oldest first."""
    found: list[Any] = connection.execute(_OF_SUBJECT, (subject,)).fetchall()
    return [id_ for (id_,) in found]
