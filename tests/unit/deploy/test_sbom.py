"""The bill of materials, of what stands in for an image's inspection and packages."""

import json
from email.parser import HeaderParser
from typing import Any

import pytest

from deploy.image.contents import Contents
from deploy.image.sbom import bill_of_materials

ABOUT = {
    "Id": "sha256:" + "ab" * 32,
    "Created": "2026-11-24T10:00:00Z",
    "Config": {
        "Labels": {
            "org.opencontainers.image.title": "iris_classifier",
            "io.tabento.bento": "iris_classifier:abc-123",
            "io.tabento.model": "iris_classifier:abc",
            "io.tabento.data.sha256": "9c" * 32,
        }
    },
}


def bill(*packages: str) -> dict[str, Any]:
    parse = HeaderParser().parsestr
    debian = parse(
        "Package: libc6\nArchitecture: amd64\nVersion: 2.36-9+deb12u14\nDescription: GNU C Library\n more"
    )
    contents = Contents([parse(package) for package in packages], [debian], "3.11.2", "debian-12")
    parsed: dict[str, Any] = json.loads(bill_of_materials(ABOUT, contents))
    return parsed


def test_it_names_each_package_so_that_a_scanner_finds_it() -> None:
    found = {part.get("purl") for part in bill("Name: Typing_Extensions\nVersion: 4.16.0\n")["components"]}
    assert found == {
        "pkg:generic/python@3.11.2",
        "pkg:pypi/typing-extensions@4.16.0",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
        None,  # the model
    }


def test_it_names_the_model_and_the_digest_of_its_table() -> None:
    (model,) = (part for part in bill()["components"] if part["type"] == "machine-learning-model")
    assert (model["name"], model["version"]) == ("iris_classifier", "abc")
    assert model["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "9c" * 32}]


def test_everything_in_it_is_a_part_of_the_image() -> None:
    made = bill("Name: a\nVersion: 1\n")
    image = made["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "iris_classifier", "abc-123")
    (needs,) = (entry["dependsOn"] for entry in made["dependencies"] if entry["ref"] == image["bom-ref"])
    assert set(needs) == {part["bom-ref"] for part in made["components"]}


@pytest.mark.parametrize(
    ("metadata", "stated"),
    [
        ("License-Expression: MIT AND Apache-2.0\n", {"expression": "MIT AND Apache-2.0"}),
        ("License: MIT\n", {"license": {"id": "MIT"}}),
        (
            "License: Copyright me\n  all rights\nClassifier: License :: OSI Approved :: BSD License\n",
            {"license": {"name": "BSD License"}},
        ),
        ("License: of my own\n", {"license": {"name": "of my own"}}),
        ("Classifier: Topic :: Cats\n", None),
    ],
)
def test_a_packages_licence_is_what_its_metadata_states(metadata: str, stated: dict[str, Any] | None) -> None:
    parts = bill(f"Name: a\nVersion: 1\n{metadata}")["components"]
    (package,) = (part for part in parts if part.get("purl") == "pkg:pypi/a@1")
    assert package.get("licenses") == ([stated] if stated else None)
