"""Why a release is not made, or not read."""

from collections.abc import Sequence

from service.errors.startup import StartError


class ReleaseUnusable(StartError):
    """The release file, or what stands beside it, cannot be read or written."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The release file {path} cannot be used: {reason.rstrip('.')}. Correct it, or make a release "
            "with `python -m service.releases`."
        )
        self.reason = reason


class ReleaseChanged(StartError):
    """Another process has changed the release since it was read."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"The release {path} was changed by another command meanwhile. Look at it with `python -m "
            "service.releases show`, and run the command again."
        )


class ReleaseMisuse(StartError):
    """A command of the releases has invalid arguments, or does not fit what is in force."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason.rstrip('.')}.")


class ModelDoesNotFit(StartError):
    """A model cannot take over the requests of the service."""

    def __init__(self, tag: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"Model {tag} cannot take over the requests of the service: {' '.join(differences)} Train it on "
            "the same features and classes, or serve it as a service of its own."
        )
