"""Runs the Python blocks of a page, each as a program of its own, in one process that imports a package once.

Reads programs from stdin, each a line of JSON, and writes what each printed, with its traceback if it failed.
"""

import json
import sys
import traceback
from contextlib import redirect_stdout
from io import StringIO


def main() -> None:
    for line in sys.stdin:
        error = ""
        with redirect_stdout(StringIO()) as printed:
            try:
                exec(compile(json.loads(line), "<block>", "exec"), {"__name__": "__main__"})
            except BaseException:
                error = traceback.format_exc()
        sys.stdout.write(json.dumps([printed.getvalue(), error]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
