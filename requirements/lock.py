"""``make lock``: resolve the requirements for every supported Python, and compile the protocol's messages.

The lists carry hashes and no index address. Three agree with each other: the lists for serving and training
are parts of dev.txt, which the tests run with. The fourth is for the environment of the protocol's clients.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = str(HERE.parent / "pyproject.toml")
PROTO = HERE.parent / "service" / "wire" / "open_inference_grpc.proto"
COMPILE = [
    *("uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
]


def lock(name: str, *options: str) -> None:
    """Write one list."""
    output = HERE / f"{name}.txt"
    command = [*COMPILE, *options, "--output-file", str(output)]
    subprocess.run([sys.executable, "-m", *command], check=True)


def compile_proto(proto: Path, output: Path) -> None:
    """Write a .proto file's descriptor set; serving reads it and so needs no compiler."""
    options = [f"--proto_path={proto.parent}", f"--descriptor_set_out={output}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, str(proto)], check=True)


if __name__ == "__main__":
    lock("dev", PROJECT, "--all-extras", *sys.argv[1:])
    everything = ("--constraint", str(HERE / "dev.txt"))
    lock("training", PROJECT, "--extra", "training", *everything)
    lock("serving", PROJECT, *everything)
    lock("clients", "--group", f"{PROJECT}:clients", *sys.argv[1:])
    compile_proto(PROTO, PROTO.with_suffix(".binpb"))
