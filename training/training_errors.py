"""The errors that end a training on purpose, with their messages and exit codes.

    TabentoError
    +-- TrainingError
        +-- InputRefused                exit 2; nothing was fitted, logged or published
        |   +-- CandidateUnknown
        |   +-- NoCandidateLeft
        |   +-- ...                     those of table_errors.py and column_errors.py
        +-- TrackingFailed              exit 1
        +-- PublicationFailed           exit 1
        +-- FoldProcessEnded            exit 1
        +-- ConversionRefused           the training goes on, and scikit-learn serves
        +-- ChampionIncomparable        the training goes on, and the champion stays
        +-- ChampionReplaced            the training goes on, and compares again

Each is made from facts and forms its own message, which names the remedy if there is one.
"""

from collections.abc import Sequence

from service.errors import TabentoError


class TrainingError(TabentoError):
    """Training ended without a published model."""


class InputRefused(TrainingError):
    """The table, the override file or an option is invalid."""


class CandidateUnknown(InputRefused):
    """An option names a candidate that does not exist."""

    def __init__(self, option: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"{option} {name}: there is no such candidate. There are {', '.join(known)}.")


class NoCandidateLeft(InputRefused):
    """The options leave every candidate out."""

    def __init__(self) -> None:
        super().__init__("--only and --without leave no candidate; name one that --without does not.")


class TrackingFailed(TrainingError):
    """MLflow failed to log or register something."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"MLflow at {uri} failed: {reason}")


class PublicationFailed(TrainingError):
    """The model could not be stored in the BentoML store, or failed its verification there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} was not published, and the BentoML store and the registered alias are as they were. "
            f"{reason}"
        )


class FoldProcessEnded(TrainingError):
    """A process that fitted a candidate ended before it answered."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(
            f"A process that fitted a candidate was ended from outside (exit code {exit_code}), probably "
            f"because memory ran out. Free some, or leave candidates out with --without."
        )


class ConversionRefused(TrainingError):
    """A step of a pipeline cannot be compiled."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} cannot be compiled")


class ChampionIncomparable(TrainingError):
    """The present champion cannot answer the rows of a new training; the reason is the end of a sentence."""


class ChampionReplaced(TrainingError):
    """Another training changed the champion after the comparison, which has to be repeated."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another training changed the champion of {name}.")
