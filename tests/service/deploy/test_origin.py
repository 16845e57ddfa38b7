"""The command that builds an image names a model that is not published."""

import subprocess
import sys

from tests.support.servers import PROJECT


def test_a_model_that_is_not_published_is_named_with_the_way_to_one(stores: dict[str, str]) -> None:
    command = [sys.executable, "-m", "deploy.image", "--engine", "podman", "--model", "penguins"]
    done = subprocess.run(command, cwd=PROJECT, env=stores, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "There is no model 'penguins'. Publish one with `python -m training`.\n"
