"""The errors that end a command of this room, with exit code 2 and a sentence."""

from service.errors import StartError


class ReplayNotLogged(StartError):
    """MLflow could not log a replay."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The replay was not logged: {reason.rstrip('.')}. Its verdict is above.")
