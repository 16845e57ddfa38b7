"""``make audit-dependencies``: known vulnerabilities of what is locked; fails if nobody could be asked.

pip-audit says "No known vulnerabilities found" as well where its source cannot be reached or knows nothing.
So a release that is known to be vulnerable is asked for first, and an answer counts only if that one is
found; and every locked package must have been looked up, none skipped.

Exits with 0 when nothing is known against anything, 1 for a finding, 2 when that cannot be told.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKED = Path(__file__).parent / "dev.txt"
"""The list that has all the others' packages."""
KNOWN = "jinja2==2.4.1"
"""CVE-2014-1402, CVE-2016-10745, CVE-2019-10906 and others."""


class Advisory(TypedDict):
    """What is known against a release, as pip-audit writes it."""

    id: str
    fix_versions: list[str]


class Audited(TypedDict, total=False):
    """What pip-audit says of a package."""

    name: str
    version: str
    vulns: list[Advisory]


class SourceSilentError(Exception):
    """The source of advisories gave no answer that could be believed."""


def main() -> int:
    """Ask for the known one, then for the list. Options are pip-audit's: ``--vulnerability-service osv``."""
    options = sys.argv[1:]
    try:
        with TemporaryDirectory(prefix="tabento-audit-") as folder:
            known = Path(folder) / "known.txt"
            known.write_text(f"{KNOWN}\n")
            # Without hashes, which this one does not need: it is looked up, not installed.
            if not any(package.get("vulns") for package in _audit(known, "--no-deps", *options)):
                raise SourceSilentError(
                    f"the source knows nothing against {KNOWN}, which is known to be vulnerable"
                )
        packages = _audit(LOCKED, "--require-hashes", *options)
        _see_that_all_were_looked_up(packages)
    except SourceSilentError as silence:
        sys.stderr.write(f"Nobody who knows could be asked, so nothing can be told: {silence}\n")
        return 2
    return _report(packages)


def _audit(requirements: Path, *options: str) -> list[Audited]:
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", str(requirements), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[Audited] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SourceSilentError(f"pip-audit did not finish: {last}") from None
    return packages


def _see_that_all_were_looked_up(packages: list[Audited]) -> None:
    """Hold the answer to the list, as far as it is for this platform and Python."""
    lines = (line.rstrip(" \\") for line in LOCKED.read_text().splitlines() if "==" in line)
    wanted = {
        canonicalize_name(pin.name)
        for pin in map(Requirement, lines)
        if pin.marker is None or pin.marker.evaluate()
    }
    missing = wanted - {canonicalize_name(package["name"]) for package in packages if "vulns" in package}
    if missing:
        raise SourceSilentError(f"the source gave no answer for {', '.join(sorted(missing))}")


def _report(packages: list[Audited]) -> int:
    findings = [(package, advisory) for package in packages for advisory in package.get("vulns", [])]
    for package, advisory in findings:
        fixed = ", ".join(advisory["fix_versions"]) or "no release"
        sys.stdout.write(f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}\n")
    known = f"the source knows {KNOWN}"
    sys.stdout.write(f"{len(packages)} packages looked up, {len(findings)} vulnerabilities; {known}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
