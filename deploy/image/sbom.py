"""``make sbom``: the image's bill of materials in CycloneDX, from the image's contents.

It lists Python packages, the interpreter, Debian packages and the model. It is reproducible: its timestamp is
the image's, and its serial number is derived from the image's digest.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.image import container_engine
from deploy.image.contents import Contents, read_contents
from deploy.image.origin import OCI, OWN

SCHEMA = SchemaVersion.V1_6


def main() -> None:
    """Write the bill of materials of an image."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image.sbom", description=__doc__)
    parser.add_argument("image", help="the name of the image")
    parser.add_argument("--engine", default=os.environ.get("TABENTO_ENGINE"), help="podman or docker")
    parser.add_argument("--output", type=Path, help="a file instead of standard output")
    options = parser.parse_args()
    engine = container_engine.choose_engine(options.engine)
    (about,) = json.loads(container_engine.run(engine, "image", "inspect", options.image))
    text = bill_of_materials(about, read_contents(engine, options.image))
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def bill_of_materials(about: Mapping[str, Any], contents: Contents) -> str:
    """The bill of an image, valid by CycloneDX's schema; ``about`` is the output of ``image inspect``."""
    from cyclonedx.validation.json import JsonStrictValidator  # Its import takes seconds.

    labels = about["Config"].get("Labels") or {}
    subject = Component(
        type=ComponentType.CONTAINER,
        name=labels.get(f"{OCI}.title", about["Id"]),
        version=labels.get(f"{OWN}.bento", about["Id"]).rpartition(":")[2],
        bom_ref=about["Id"],
        properties=[Property(name=name, value=value) for name, value in labels.items()],
    )
    parts = [*_python(contents), *_debian(contents), *_model(labels)]
    bom = Bom(
        components=parts,
        serial_number=uuid5(NAMESPACE_URL, about["Id"]),
        metadata=BomMetaData(component=subject, timestamp=datetime.fromisoformat(about["Created"])),
    )
    bom.register_dependency(subject, parts)
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2)
    if invalid := JsonStrictValidator(SCHEMA).validate_str(text):
        raise SystemExit(f"The bill of materials is not valid CycloneDX: {invalid}")
    return text + "\n"


def _python(contents: Contents) -> Iterator[Component]:
    yield _component(PackageURL("generic", name="python", version=contents.python_version))
    for package in contents.python:
        yield _component(
            PackageURL("pypi", name=package["Name"], version=package["Version"]),
            description=package["Summary"],
            licenses=_licenses(package),
        )


def _debian(contents: Contents) -> Iterator[Component]:
    for package in contents.debian:
        qualifiers = {"arch": package["Architecture"], "distro": contents.distribution}
        url = PackageURL("deb", "debian", package["Package"], package["Version"], qualifiers)
        yield _component(url, description=package["Description"].splitlines()[0])


def _model(labels: Mapping[str, str]) -> Iterator[Component]:
    name, _, version = labels.get(f"{OWN}.model", "").partition(":")
    if name:
        table = Component(
            type=ComponentType.DATA,
            name="training table",
            bom_ref="training-table",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=labels[f"{OWN}.data.sha256"])],
        )
        yield Component(
            type=ComponentType.MACHINE_LEARNING_MODEL,
            name=name,
            version=version,
            bom_ref="model",
            components=[table],
        )


def _component(
    url: PackageURL, *, description: str | None = None, licenses: list[License] | None = None
) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=url.name,
        version=url.version,
        purl=url,
        bom_ref=url.to_string(),
        description=description,
        licenses=licenses,
    )


def _licenses(package: Message) -> list[License]:
    # Newest form first: an SPDX expression, free text that may be the whole licence, classifiers.
    stated = package["License-Expression"] or package["License"] or ""
    if not stated or "\n" in stated:
        classifiers = package.get_all("Classifier", [])
        stated = next(
            (name.rpartition(" :: ")[2] for name in classifiers if name.startswith("License ::")), ""
        )
    return [LicenseFactory().make_from_string(stated)] if stated else []


if __name__ == "__main__":
    main()
