"""Which tests one process of a run gets together."""

from xdist.scheduler import LoadFileScheduling

SHARED_TRAININGS = (
    "tests/training/evaluate/",
    "tests/training/publish/test_experiment.py",
    "tests/training/publish/test_publication.py",
)
"""They look at the same trainings, which every process that has one of them would make anew."""


class FilesAtATime(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time, in the order of the collection; those of the shared trainings together."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(SHARED_TRAININGS):
            return "trainings"
        return nodeid.partition("::")[0]
