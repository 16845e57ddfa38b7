"""``make image``: build the bento and its image with BentoML's own commands.

It adds what those commands do not provide: the choice of the base image, a version and timestamps that depend
only on the content, and labels. The only line on standard output is the name of the image.
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
    """Build the bento and the image."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("--model", default="iris_classifier", help="published model, NAME or NAME:VERSION")
    parser.add_argument("--name", help="name of the image; default: tabento/NAME:BENTO-VERSION, and :latest")
    parser.add_argument("--engine", default=os.environ.get("TABENTO_ENGINE"), help="podman or docker")
    parser.add_argument(
        "--base-image",
        default=os.environ.get("TABENTO_BASE_IMAGE") or DEFAULT_BASE_IMAGE,
        help="base image with Python 3.11: NAME:TAG, or NAME@DIGEST for an immutable one (%(default)s)",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=os.environ.get("TABENTO_BUILD_OPTIONS", "").split(),
        help="option of the engine's build command, without its dashes: no-cache, network=host",
    )
    options = parser.parse_args()
    engine = container_engine.choose_engine(options.engine)
    commit, model = read_commit(), read_model(options.model)
    bento = build_bento(commit, model)
    latest = f"tabento/{bento.partition(':')[0]}:latest"
    names = [options.name] if options.name else [f"tabento/{bento}", latest]
    base_image = f"build-arg=BASE_IMAGE={options.base_image}"
    build_options = [*options.option, *reproducible_options(engine, commit), base_image]
    known = labels(commit, bento, model, options.base_image)
    build_options += [f"label={name}={value}" for name, value in known.items()]
    containerize(engine, bento, names, build_options)
    sys.stdout.write(names[0] + "\n")


def build_bento(commit: Commit, model: Model) -> str:
    """The tag of the bento of this commit and model; builds it unless it exists."""
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


def reproducible_options(engine: str, commit: Commit) -> list[str]:
    """The build options that replace the current time by the commit's."""
    options = [f"build-arg=SOURCE_DATE_EPOCH={commit.time_s}"]
    # docker uses the build argument as the image's time; podman has an option for it and for all files.
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
        # BentoML copies the bento and its Dockerfile's template to a temporary folder, and then rejects a
        # template outside of the working folder.
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
