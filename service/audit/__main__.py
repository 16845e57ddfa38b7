"""The log's command line: ``python -m service.audit``.

Exit code 0; 1 where ``verify`` found something; 2 with one sentence on stderr where a command cannot do
what it is asked for.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from service.audit import commands
from service.errors import StartError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options.db or _configured_path(), options)
        sys.stdout.flush()
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:  # How `tail --follow` ends.
        return 0
    except BrokenPipeError:
        # Whoever read has enough, as in `| head -1`. The interpreter flushes stdout once more at its end,
        # which must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.audit", description="Read and keep the audit log."
    )
    parser.add_argument("--db", type=Path, metavar="PATH", help="the log; by default TABENTO_AUDIT_DB")
    added = parser.add_subparsers(dest="command", required=True)
    for name, run, text in (
        ("path", commands.path, "write the path of the log"),
        ("verify", commands.verify, "walk the hash chains, and name the first broken entry of each"),
        ("head", commands.head, "write the heads of the chains, to be kept elsewhere as an anchor"),
    ):
        command = added.add_parser(name, help=text)
        command.set_defaults(run=run)
        if name == "verify":
            command.add_argument("--anchor", type=Path, metavar="FILE", help="what `head` wrote earlier")
    export = added.add_parser("export", help="write every request to stdout, oldest first")
    export.add_argument("--format", choices=["jsonl"], default="jsonl", help="jsonl: one JSON object a line")
    export.set_defaults(run=commands.export)
    return parser


def _configured_path() -> Path:
    from service.settings import load_settings

    return load_settings().audit_db


if __name__ == "__main__":
    sys.exit(main())
