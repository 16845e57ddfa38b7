"""The prediction log: what every answer is written to before it leaves the service.

One SQLite file, written by several worker processes at once. A record goes

    record.py    what is recorded of a request, and the summary of its labels
    writer.py    the queue and the thread that make many waiting requests share one commit
    body.py      a body as it is kept, and as it is shown
    logfile.py   one transaction of the file: all of a group, or nothing
    database.py  the file itself: opened, checked, refused with a reason
    schema.py    its tables, as numbered migrations
    history.py   what can be asked, and the index that answers it
    reader.py    back out again: the history, page by page, and the export
    __main__.py  ``python -m service.audit``

Everything goes through apsw, which carries a SQLite of its own. The standard library's ``sqlite3`` links
whatever the system has, and SQLite 3.7.0 to 3.51.2 can corrupt a WAL file that several connections use.
Nor may the two meet on one file in one process: each would drop the other's POSIX locks.
"""
