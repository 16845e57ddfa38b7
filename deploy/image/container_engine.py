"""The container engine, podman or docker: the first one that works, and the commands that both support."""

import shutil
import subprocess

ENGINES = ("docker", "podman")


def choose_engine(name: str | None = None) -> str:
    """The named engine, or the first that works; exits if there is none."""
    if name:
        if name not in ENGINES:
            raise SystemExit(f"{name} is not one of the engines: {', '.join(ENGINES)}")
        return name
    for engine in ENGINES:
        if shutil.which(engine) and _answers(engine):
            return engine
    raise SystemExit(
        "Neither docker nor podman works here. Install one, or start docker's daemon. Where images cannot be "
        "pulled, run the command with .ci/stand-in, which uses podman and a base image of Debian packages."
    )


def run(engine: str, *arguments: str) -> str:
    """The output of an engine's command; exits with its error message if it fails."""
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{engine} {' '.join(arguments)}:\n{done.stderr.strip()}")
    return done.stdout.strip()


def _answers(engine: str) -> bool:
    # The docker command is often installed without a running daemon.
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
