"""The container engine: podman or docker, whichever is there and works; what the two understand alike."""

import shutil
import subprocess

ENGINES = ("docker", "podman")


def choose_engine(asked: str | None = None) -> str:
    """The engine that was asked for, or the first that works; exits where there is none."""
    if asked:
        if asked not in ENGINES:
            raise SystemExit(f"{asked} is not one of the engines: {', '.join(ENGINES)}")
        return asked
    for engine in ENGINES:
        if shutil.which(engine) and _answers(engine):
            return engine
    raise SystemExit(
        "Neither docker nor podman works here. Install one, or start docker's daemon; where images cannot be "
        "pulled, .ci/stand-in runs a command with podman and a base image made of Debian's packages."
    )


def run(engine: str, *arguments: str) -> str:
    """What the engine's command prints; its complaint ends the program where it fails."""
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{engine} {' '.join(arguments)}:\n{done.stderr.strip()}")
    return done.stdout.strip()


def _answers(engine: str) -> bool:
    # The docker command is often there without its daemon.
    return subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
