"""A stand-in for a cluster: the part of Kubernetes' API that rolling a StatefulSet out and back asks for.

There is no cluster where the tests run. So an unmodified kubectl talks to this server, which keeps what is
applied, and does at once what the StatefulSet's controller does in time: each new pod template is a numbered
ControllerRevision, and the replicas become ready with it unless its image is one that was said not to start.
"""

import json
import time
from copy import deepcopy
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Json = dict[str, Any]

KINDS = {
    "v1": ["Namespace", "ServiceAccount", "ConfigMap", "Service", "Pod", "Event"],
    "apps/v1": ["StatefulSet", "ControllerRevision"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "policy/v1": ["PodDisruptionBudget"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "monitoring.coreos.com/v1": ["ServiceMonitor"],
}
REPLICAS = 2


def plural(kind: str) -> str:
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"


COLLECTIONS = {
    plural(kind): {"apiVersion": version, "kind": f"{kind}List"}
    for version, kinds in KINDS.items()
    for kind in kinds
}


class Cluster(ThreadingHTTPServer):
    """What was applied, by the path of each object."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.objects: dict[str, Json] = {}
        self.broken: set[str] = set()
        """Images that do not start."""
        self.url = f"http://127.0.0.1:{self.server_port}"

    def images(self, namespace: str = "tabento") -> list[str]:
        """The image of the StatefulSet's present template."""
        containers = self._stateful(namespace)["spec"]["template"]["spec"]["containers"]
        return [container["image"] for container in containers]

    def ready(self, namespace: str = "tabento") -> bool:
        """Whether all replicas run it."""
        status = self._stateful(namespace)["status"]
        return bool(status["currentRevision"] == status["updateRevision"])

    def put(self, path: str, thing: Json) -> Json:
        """Keep an object, as the API server would return it."""
        metadata = thing["metadata"]
        metadata["uid"] = path
        metadata["generation"] = self.objects.get(path, {"metadata": {}})["metadata"].get("generation", 0) + 1
        metadata["resourceVersion"] = str(metadata["generation"])
        self.objects[path] = thing
        if thing["kind"] == "StatefulSet":
            self._control(path, thing)
        return thing

    def _stateful(self, namespace: str) -> Json:
        return self.objects[f"/apis/apps/v1/namespaces/{namespace}/statefulsets/tabento"]

    def _control(self, path: str, stateful: Json) -> None:
        template = stateful["spec"]["template"]
        digest = sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        name = f"tabento-{digest}"
        folder = path.replace("statefulsets/tabento", "controllerrevisions")
        numbers = [it["revision"] for key, it in self.objects.items() if key.startswith(folder)]
        self.objects[f"{folder}/{name}"] = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": stateful["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [
                    {"kind": "StatefulSet", "name": "tabento", "uid": path, "controller": True}
                ],
            },
            "data": {"spec": {"template": {**deepcopy(template), "$patch": "replace"}}},
            "revision": max(numbers, default=0) + 1,
        }
        starts = not self.broken & {container["image"] for container in template["spec"]["containers"]}
        before = stateful.get("status", {}).get("currentRevision", name)
        stateful["spec"]["replicas"] = REPLICAS
        stateful["status"] = {
            "observedGeneration": stateful["metadata"]["generation"],
            "replicas": REPLICAS,
            "readyReplicas": REPLICAS if starts else REPLICAS - 1,
            "availableReplicas": REPLICAS if starts else REPLICAS - 1,
            "updatedReplicas": REPLICAS if starts else 1,
            "currentRevision": name if starts else before,
            "updateRevision": name,
        }


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cluster

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if (document := _discovery(address.path)) or (document := self.server.objects.get(address.path, {})):
            self._answer(200, document)
        elif "watch" in query:
            # Nothing happens while somebody watches; kubectl asks again until its time is over.
            time.sleep(0.2)
            self._answer(200, None)
        elif listed := COLLECTIONS.get(address.path.rpartition("/")[2]):
            items = [it for key, it in self.server.objects.items() if key.startswith(f"{address.path}/")]
            self._answer(200, {**listed, "metadata": {}, "items": items})
        else:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
            self._answer(404, {**status, "reason": "NotFound", "code": 404, "message": "not found"})

    def do_PATCH(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers["content-length"]))
        kept = deepcopy(self.server.objects.get(path, {}))
        if self.headers["content-type"] == "application/apply-patch+yaml":
            thing = yaml.safe_load(body)
            if "status" in kept:
                thing["status"] = kept["status"]
        else:
            template = json.loads(body)["spec"]["template"]
            assert template.pop("$patch") == "replace"
            kept["spec"]["template"] = template
            thing = kept
        self._answer(200, self.server.put(path, thing))

    def _answer(self, status: int, document: Json | None) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _discovery(path: str) -> Json:
    """What kubectl asks first: which kinds there are, and whether the server itself validates fields."""
    roots = {("/apis/" if "/" in version else "/api/") + version: version for version in KINDS}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
    if path in roots:
        return _kinds(roots[path])
    if path == "/openapi/v3":
        return {"paths": {root[1:]: {"serverRelativeURL": f"/openapi/v3{root}"} for root in roots}}
    if (root := path.removeprefix("/openapi/v3")) in roots:
        return _openapi(root, roots[root])
    return {}


def _groups() -> list[Json]:
    found = {version.rpartition("/")[0]: version for version in KINDS if "/" in version}
    return [
        {
            "name": group,
            "versions": [{"groupVersion": version, "version": version.rpartition("/")[2]}],
            "preferredVersion": {"groupVersion": version, "version": version.rpartition("/")[2]},
        }
        for group, version in found.items()
    ]


def _kinds(version: str) -> Json:
    return {
        "kind": "APIResourceList",
        "groupVersion": version,
        "resources": [
            {
                "name": plural(kind),
                "singularName": kind.lower(),
                "namespaced": kind != "Namespace",
                "kind": kind,
                "verbs": ["get", "list", "watch", "patch"],
            }
            for kind in KINDS[version]
        ],
    }


def _openapi(root: str, of: str) -> Json:
    group, _, version = of.rpartition("/")
    return {
        "openapi": "3.0.0",
        "info": {"title": "stand-in", "version": "1"},
        "paths": {
            f"{root}/{plural(kind)}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                    "responses": {},
                }
            }
            for kind in KINDS[of]
        },
    }
