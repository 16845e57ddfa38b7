"""The log's command line: ``python -m service.audit export --format jsonl`` and ``... path``.

Exit code 0, or 2 with one sentence on stderr where there is no log to read.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from service.audit.reader import AuditReader
from service.errors import StartError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        path = options.db or _configured_path()
        if options.command == "export":
            _export(AuditReader(path))
        else:
            sys.stdout.write(f"{path}\n")
        sys.stdout.flush()
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except BrokenPipeError:
        # Whoever read has enough, as in `| head -1`. The interpreter flushes stdout once more at its end,
        # which must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit", description="Read the audit log.")
    parser.add_argument("--db", type=Path, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write every request to stdout, oldest first")
    export.add_argument("--format", choices=["jsonl"], default="jsonl", help="jsonl: one JSON object a line")
    commands.add_parser("path", help="write the path of the log to stdout")
    return parser


def _configured_path() -> Path:
    from service.settings import load_settings

    return load_settings().audit_db


def _export(reader: AuditReader) -> None:
    for request in reader.records():
        sys.stdout.write(f"{request.model_dump_json()}\n")


if __name__ == "__main__":
    sys.exit(main())
