"""The errors that end a retraining on purpose, beside those of training; exit code 2.

StartError
+-- RetrainingRefused
    +-- ChampionMissing
    +-- RetrainingRuns
    +-- WatcherRuns
    +-- FolderUnusable
"""

from service.errors import StartError


class RetrainingRefused(StartError):
    """A retraining, or a watcher, cannot begin."""


class ChampionMissing(RetrainingRefused):
    """There is no champion to compare with."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no champion with which a challenger could be compared. Publish the first model "
            "with `python -m training`."
        )


class RetrainingRuns(RetrainingRefused):
    """Another retraining of the same folder is running."""

    def __init__(self, folder: object) -> None:
        super().__init__(f"Another retraining with the folder {folder} is running. Wait until it ends.")


class WatcherRuns(RetrainingRefused):
    """Another watcher of the same folder is running."""

    def __init__(self, folder: object) -> None:
        super().__init__(
            f"Another watcher with the folder {folder} is running. Stop it, or name another folder with "
            "--work."
        )


class FolderUnusable(RetrainingRefused):
    """The folder of tables and lineages cannot be written."""

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(f"The folder {folder} cannot be used: {reason}. Name another one with --work.")
