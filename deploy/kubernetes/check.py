"""``python -m deploy.kubernetes.check``: validate the manifests by the schemas that a cluster applies.

Kubernetes' own kinds are validated by the schemas of kubernetes-validate, without unknown fields. The two
other kinds are validated by those in ``schemas/``, which refer to Kubernetes' schemas for the parts of a pod.
Nothing is downloaded. jsonschema compiles grammars of addresses when it is imported, which takes seconds; so
it is imported where it is used.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from referencing import Registry, Resource

from deploy.kubernetes.manifests import HERE, RETRAINING, TARGETS, Manifest, render

RELEASES = ("1.31", "1.37")
"""The oldest supported release, and the newest whose schemas are installed."""

_OWN_SCHEMAS = {
    "monitoring.coreos.com/v1 ServiceMonitor": "servicemonitor.json",
    "serving.kserve.io/v1beta1 InferenceService": "inferenceservice.json",
}


def faults(manifest: Manifest, release: str) -> Iterator[str]:
    """A sentence for each error in an object."""
    import kubernetes_validate
    from jsonschema import Draft202012Validator

    kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    if kind in _OWN_SCHEMAS:
        schema = json.loads((HERE / "schemas" / _OWN_SCHEMAS[kind]).read_text())
        validator = Draft202012Validator(schema, registry=_definitions(release))
        for error in validator.iter_errors(manifest):
            yield f"{error.json_path}: {error.message}"
        return
    try:
        kubernetes_validate.validate(manifest, release, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{error.json_path}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield str(error.message)


@cache
def _definitions(release: str) -> Registry:
    """Kubernetes' own parts, which the schemas of others refer to."""
    from kubernetes_validate.utils import schema_contents

    name = f"kubernetes-json-schema/v{release}.0-local-strict/_definitions.json"
    return Resource.from_contents(schema_contents(name, release)) @ Registry()


def check(folder: Path) -> Iterator[str]:
    """Every error in the rendered manifests of a folder."""
    for manifest in render(folder):
        what = f"{folder}: {manifest['kind']} {manifest['metadata']['name']}"
        for release in RELEASES:
            for fault in faults(manifest, release):
                yield f"{what}, Kubernetes {release}: {fault}"


def main() -> int:
    """Check the folders of the command line, or all that can be applied."""
    folders = [Path(name) for name in sys.argv[1:]] or [HERE / name for name in (*TARGETS, RETRAINING)]
    found = [fault for folder in folders for fault in check(folder)]
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
