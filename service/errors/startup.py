"""Errors that keep the service, or one of its commands, from starting. Each message names the remedy."""

from typing import ClassVar, Self

from service.errors.base import TabentoError


class StartError(TabentoError):
    """The service cannot start with its configuration."""


class SettingInvalid(StartError):
    """An environment variable has an invalid value."""

    def __init__(self, variable: str, value: object, reason: str) -> None:
        super().__init__(f"{variable}={value!s} cannot be used: {reason}")
        self.variable = variable


class ModelNotPublished(StartError):
    """The BentoML store has no model of this name."""

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"The BentoML store has no model {tag!r}. Publish one with `python -m training`, "
            f"or serve another with `--arg model=NAME` (`bentoml models list` lists them)."
        )


class ModelUnusable(StartError):
    """A published model does not load, or differs from what was published."""

    remedy: ClassVar[str] = "Train and publish it again in this environment."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"Model {tag} cannot be served: {reason.rstrip('.')}. {self.remedy}")


class CompiledFormRefused(ModelUnusable):
    """The settings require the compiled form, which was not accepted when the model was published."""

    remedy = "Set TABENTO_RUNTIME=auto to serve it with scikit-learn."

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(tag, f"TABENTO_RUNTIME=compiled, but its compiled form was not accepted: {reason}")


class AuditUnusable(StartError):
    """The audit log cannot be written or read."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The audit log {path} cannot be used: {reason}. Set TABENTO_AUDIT_DB to another path."
        )
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[object, str]]:
        """Pickle the facts: the error is raised in the writer process and sent to the worker."""
        return type(self), (self.path, self.reason)


class LedgerContradicts(AuditUnusable):
    """The ledger of the log states something else under an identifier of this service, and always will."""


class AnchorUnusable(StartError):
    """The audit log cannot be compared with an anchor."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The anchor {path} cannot be used: {reason}.")


class AuditMisuse(StartError):
    """A command of the audit log has invalid arguments."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class ReplayFailed(StartError):
    """A replay of recorded requests could not be finished."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The replay could not be finished: {reason}.")


class MonitoringUnusable(StartError):
    """The file of monitoring has nothing that can be shown."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The file of monitoring {path} cannot be shown: {reason.rstrip('.')}. The service writes it "
            "while it runs with TABENTO_MONITORING=on; name another with --db or TABENTO_MONITORING_DB."
        )


class MonitoringNotWritable(StartError):
    """The file of monitoring cannot be written."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The file of monitoring {path} cannot be written: {reason.rstrip('.')}. Set "
            "TABENTO_MONITORING_DB to another path."
        )


class ReportUnwritable(StartError):
    """A report cannot be written to its file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The report {path} cannot be written: {reason.rstrip('.')}. Name another file.")


class AuditNotErased(StartError):
    """Data removed from the audit log can still be read in its write-ahead log."""

    def __init__(self, path: object, waited_s: float) -> None:
        super().__init__(
            f"The data is removed from the audit log {path}, but can still be read in {path}-wal: other "
            f"processes have read the log, or written to it without a pause, for {waited_s:g} s. Run the "
            "same command again when they have finished, or with a longer --wait."
        )


class AuditHeld(StartError):
    """Requests that are to be removed from the audit log are held."""

    def __init__(self, what: str, hold: str) -> None:
        super().__init__(
            f"{what}: {hold}. Release the hold first, with `python -m service.audit subject release` or "
            "`python -m service.audit hold-release`."
        )


class SubjectKeyUnusable(StartError):
    """The key by which identifiers of persons are hashed cannot be read or created."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The key {path} of the persons in the audit log cannot be used: {reason.rstrip('.')}. Put the "
            "key back from its backup, or set TABENTO_AUDIT_SUBJECT_KEY_FILE to another path."
        )


class SigningKeyUnusable(StartError):
    """The key that signs the checkpoints of the audit log cannot be read or made."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"The signing key {path} cannot be used: {reason}. Set TABENTO_AUDIT_SIGNING_KEY_FILE to another "
            "file; a new key is made if there is none."
        )


class CheckpointRefused(StartError):
    """The audit log contradicts an earlier checkpoint, so no new one is signed."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(
            f"No checkpoint of the audit log {path} is signed: {reason}. Run `python -m service.audit "
            "verify`; for a log that was restored, keep the old witness and set TABENTO_AUDIT_WITNESS to a "
            "new one."
        )


class KeysUnusable(StartError):
    """The file of API keys cannot be read or written."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The API keys {path} cannot be used: {reason.rstrip('.')}.")


class KeyMisuse(StartError):
    """A command of the API keys has invalid arguments."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}.")


class GrpcUnusable(StartError):
    """The gRPC server cannot listen on its address, or not with its certificate."""

    def __init__(self, variable: str, value: object, reason: str) -> None:
        remedy = " Set another port, or 0 to disable gRPC." if variable.endswith("_PORT") else ""
        super().__init__(f"{variable}={value} cannot be used: {reason.rstrip('.')}.{remedy}")


class HttpUnusable(StartError):
    """HTTP cannot listen on its address."""

    def __init__(self, host: str, port: object, reason: str) -> None:
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__(
            f"HTTP cannot listen on {at}: {reason.rstrip('.')}. Choose others with --host and --port."
        )
