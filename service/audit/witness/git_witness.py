"""A git repository as a witness: one commit for each checkpoint, with the file ``LOG_ID/SIZE.checkpoint``.

The commits are made with git's plumbing, which runs no hook, signs nothing and touches neither the index nor
the files of a work tree. So a bare repository serves best. Its owner pushes it.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from service.audit.witness.witnesses import Kept, WitnessFailed, note_name

_TIMEOUT_S = 30.0
_IDENTITY = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "tabento"), ("EMAIL", "tabento@localhost"))
}
_OPTIONS = ["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "core.fsync=all"]


class GitWitness:
    """A repository with at least one branch, which the checkpoints are committed to."""

    def __init__(self, name: str, repository: Path) -> None:
        self.name = name
        self._repository = repository

    def take(self, log_id: str, size: int, note: str) -> None:
        """Commit the checkpoint, unless the repository has it; raises WitnessFailed, also for another."""
        name = f"{log_id}/{note_name(size)}"
        head = self._head()
        if head and self._git("ls-tree", head, name):
            if self._git("show", f"{head}:{name}") != note:
                raise WitnessFailed(f"{name} is another checkpoint of the same size")
            return
        blob = self._git("hash-object", "-w", "--no-filters", "--stdin", given=note).strip()
        with TemporaryDirectory() as folder:
            index = f"{folder}/index"
            if head:
                self._git("read-tree", head, index=index)
            self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", index=index)
            tree = self._git("write-tree", index=index).strip()
        parent = ["-p", head] if head else []
        message = f"Checkpoint of {size} entries of log {log_id}\n"
        commit = self._git("commit-tree", "--no-gpg-sign", *parent, tree, given=message).strip()
        self._git("update-ref", "HEAD", commit, head or "0" * len(commit))

    def kept(self, log_id: str) -> Sequence[Kept]:
        """The checkpoints that the last commit has."""
        head = self._head()
        if not head:
            return []
        names = self._git("ls-tree", "--name-only", head, f"{log_id}/").splitlines()
        return [Kept(f"{self._repository}:{name}", self._git("show", f"{head}:{name}")) for name in names]

    def _head(self) -> str:
        """The last commit; empty if there is none yet."""
        if not self._git("rev-parse", "--git-dir"):
            raise WitnessFailed(f"{self._repository} is not a git repository")
        return self._git("rev-parse", "--verify", "--quiet", "HEAD", may_fail=True).strip()

    def _git(self, *arguments: str, given: str = "", may_fail: bool = False, index: str = "") -> str:
        # Variables such as GIT_DIR would lead elsewhere.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(  # noqa: S603 - git, with arguments made here
                ["git", "-C", str(self._repository), *_OPTIONS, *arguments],  # noqa: S607
                env={
                    **inherited,
                    **_IDENTITY,
                    "GIT_TERMINAL_PROMPT": "0",
                    **({"GIT_INDEX_FILE": index} if index else {}),
                },
                input=given.encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise WitnessFailed("git is not installed") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WitnessFailed(f"git: {error}") from error
        if done.returncode and not may_fail:
            raise WitnessFailed(f"git: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")
