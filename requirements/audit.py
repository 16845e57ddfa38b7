"""``make audit-dependencies``: known vulnerabilities of the locked packages; fails if the source is silent.

pip-audit also reports "No known vulnerabilities found" if its source cannot be reached or has no data. So a
release that is known to be vulnerable is looked up first, and the result counts only if it is found. Every
locked package must be looked up, none skipped.

Exits with 0 if there is no known vulnerability, with 1 if there is one, and with 2 if the look-up failed.
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
"""The list that contains the packages of all the others."""
KNOWN = "jinja2==2.4.1"
"""CVE-2014-1402, CVE-2016-10745, CVE-2019-10906 and others."""


class Advisory(TypedDict):
    """A vulnerability of a release, as pip-audit writes it."""

    id: str
    fix_versions: list[str]


class Audited(TypedDict, total=False):
    """pip-audit's result for a package."""

    name: str
    version: str
    vulns: list[Advisory]


class SourceSilentError(Exception):
    """The source of advisories gave no reliable answer."""


def main() -> int:
    """Look up the known release, then the list. Options go to pip-audit: ``--vulnerability-service osv``."""
    options = sys.argv[1:]
    try:
        with TemporaryDirectory(prefix="tabento-audit-") as folder:
            known = Path(folder) / "known.txt"
            known.write_text(f"{KNOWN}\n")
            # Without hashes, because it is looked up and not installed.
            if not any(package.get("vulns") for package in _audit(known, "--no-deps", *options)):
                raise SourceSilentError(
                    f"the source reports nothing for {KNOWN}, which is known to be vulnerable"
                )
        packages = _audit(LOCKED, "--require-hashes", *options)
        _check_all_looked_up(packages)
    except SourceSilentError as silence:
        sys.stderr.write(f"The look-up of vulnerabilities failed: {silence}\n")
        return 2
    return _report(packages)


def _audit(requirements: Path, *options: str) -> list[Audited]:
    command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", str(requirements), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[Audited] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise SourceSilentError(f"pip-audit did not finish: {last}") from None
    return packages


def _check_all_looked_up(packages: list[Audited]) -> None:
    """Raise SourceSilentError unless every package of this platform and Python was looked up."""
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
    known = f"the source reports {KNOWN}"
    sys.stdout.write(f"{len(packages)} packages looked up, {len(findings)} vulnerabilities; {known}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
