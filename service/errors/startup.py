"""What keeps the service, or one of its commands, from starting; each message names the remedy."""

from typing import ClassVar, Self

from service.errors.base import TabentoError


class StartError(TabentoError):
    """The service cannot start as it is configured."""


class SettingInvalid(StartError):
    """An environment variable has a value that the service cannot work with."""

    def __init__(self, variable: str, value: object, reason: str) -> None:
        super().__init__(f"{variable}={value!s} cannot be used: {reason}")
        self.variable = variable


class ModelNotPublished(StartError):
    """The BentoML store holds no model of that name."""

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"The BentoML store holds no model {tag!r}. Publish one with `python -m training`, "
            f"or serve another with `--arg model=NAME` (`bentoml models list` shows what is there)."
        )


class ModelUnusable(StartError):
    """A published model does not load, or is not what was published."""

    remedy: ClassVar[str] = "Train and publish it again with this environment."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"Model {tag} cannot be served: {reason.rstrip('.')}. {self.remedy}")


class CompiledFormRefused(ModelUnusable):
    """Only the compiled form is to serve, and it was not accepted when the model was published."""

    remedy = "Set TABENTO_RUNTIME=auto to serve it with scikit-learn."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(tag, f"TABENTO_RUNTIME=compiled, but its compiled form was not accepted: {reason}")


class AuditUnusable(StartError):
    """The audit log cannot be written or read."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The audit log {path} cannot be used: {reason}. Set TABENTO_AUDIT_DB to another.")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[object, str]]:
        """By its facts: it comes from the process that writes the log."""
        return type(self), (self.path, self.reason)


class AnchorUnusable(StartError):
    """The audit log cannot be compared with an anchor."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The anchor {path} cannot be used: {reason}.")


class AuditMisuse(StartError):
    """A command of the audit log was asked for what it cannot do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class AuditNotErased(StartError):
    """What was removed from the audit log can still be read in its files."""

    def __init__(self, path: object, waited_s: float) -> None:
        super().__init__(
            f"What was removed from the audit log {path} is recorded as removed, but can still be read in "
            f"{path}-wal: something has read the log, or written it without a pause, for {waited_s:g} s. "
            "Run the same command again when that has ended, or with a longer --wait."
        )


class KeysUnusable(StartError):
    """The file of API keys cannot be read or written."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The API keys {path} cannot be used: {reason.rstrip('.')}.")


class KeyMisuse(StartError):
    """A command of the API keys was asked for what it cannot do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class GrpcUnusable(StartError):
    """The gRPC server cannot listen where, or as, it is to."""

    def __init__(self, variable: str, value: object, reason: str) -> None:
        remedy = " Set another, or 0 to do without gRPC." if variable.endswith("_PORT") else ""
        super().__init__(f"{variable}={value} cannot be used: {reason.rstrip('.')}.{remedy}")


class HttpUnusable(StartError):
    """HTTP cannot listen where it is to."""

    def __init__(self, host: str, port: object, reason: str) -> None:
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__(
            f"HTTP cannot listen on {at}: {reason.rstrip('.')}. Choose another with --host and --port."
        )
