"""``make image``: build the bento, and the image of it, by BentoML's own commands.

What those do not give is set here: a base image of one's choice, a version and timestamps that say what went
in and not when it did, and labels. The one line on standard output is the image's name.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

import bentoml
from bentoml.exceptions import NotFound

from deploy.image import container_engine
from deploy.image.origin import PROJECT, Commit, Model, labels, read_commit, read_model

DEFAULT_BASE_IMAGE = "docker.io/library/python:3.11-slim"
BENTOML = (sys.executable, "-m", "bentoml")


def main() -> None:
    """Build what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("--model", default="iris_classifier", help="a published one, NAME or NAME:VERSION")
    parser.add_argument("--name", help="of the image; default: tabento/NAME:BENTO-VERSION, and :latest")
    parser.add_argument("--engine", default=os.environ.get("TABENTO_ENGINE"), help="podman or docker")
    parser.add_argument(
        "--base-image",
        default=os.environ.get("TABENTO_BASE_IMAGE") or DEFAULT_BASE_IMAGE,
        help="NAME:TAG, or NAME@DIGEST for one that never changes; with Python 3.11 (%(default)s)",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=os.environ.get("TABENTO_BUILD_OPTIONS", "").split(),
        help="a further one for the engine's build command, without its dashes: no-cache, network=host",
    )
    asked = parser.parse_args()
    engine = container_engine.choose_engine(asked.engine)
    commit, model = read_commit(), read_model(asked.model)
    bento = build_bento(commit, model)
    names = [asked.name] if asked.name else [f"tabento/{bento}", f"tabento/{bento.partition(':')[0]}:latest"]
    options = [*asked.option, *reproducibly(engine, commit), f"build-arg=BASE_IMAGE={asked.base_image}"]
    known = labels(commit, bento, model, asked.base_image)
    options += [f"label={name}={value}" for name, value in known.items()]
    containerize(engine, bento, names, options)
    sys.stdout.write(names[0] + "\n")


def build_bento(commit: Commit, model: Model) -> str:
    """The tag of the bento of this commit and model, which is built only where there is none yet."""
    name, _, version = model.tag.partition(":")
    tag = f"{name}:{version}-{commit.revision[:12]}"
    build = [*BENTOML, "build", "--arg", f"model={model.tag}", "--output", "tag"]
    if commit.is_clean:
        try:
            return str(bentoml.get(tag).tag)
        except NotFound:
            build += ["--version", tag.partition(":")[2]]
    built = subprocess.run(build, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    made = re.search(r"__tag__:(\S+)", built.stdout)
    if built.returncode or made is None:
        raise SystemExit(f"bentoml build failed: {built.stdout}")
    return made[1]


def reproducibly(engine: str, commit: Commit) -> list[str]:
    """The build options that put the commit's time in the place of now."""
    options = [f"build-arg=SOURCE_DATE_EPOCH={commit.time_s}"]
    # docker takes the build argument for the image's own time; podman has an option for it and for all files.
    return options if engine == "docker" else [*options, f"timestamp={commit.time_s}"]


def containerize(engine: str, bento: str, names: list[str], options: list[str]) -> None:
    """Build the image under these names."""
    command = [*BENTOML, "containerize", bento, "--backend", engine]
    for name in names:
        command += ["--image-tag", name]
    for option in options:
        command += ["--opt", option]
    done = subprocess.run(
        command,
        # BentoML copies the bento and its Dockerfile's template to a temporary folder, and then refuses a
        # template that is not below the working folder.
        cwd=tempfile.gettempdir(),
        env={
            **os.environ,
            # podman omits HEALTHCHECK from its other format, which is BentoML's default for it.
            "BUILDAH_FORMAT": "docker",
            # BentoML's command declares --quiet twice, of which click warns.
            "PYTHONWARNINGS": "ignore:The parameter --quiet is used more than once:UserWarning",
        },
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"bentoml containerize failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
