"""The winner in MLflow's model registry: first a version, then the alias, when the model can be served."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException

from training.interruption import uninterrupted
from training.publish.champion_change import Decision
from training.publish.experiment import LoggedCandidate
from training.publish.present_champion import ALIAS, TAG_OF_BENTOML, TITLE, PresentChampion, present_champion
from training.training_errors import ChampionReplaced


class Registration:
    """A version of the model that has no alias yet."""

    def __init__(self, name: str, winner: LoggedCandidate, training_run_id: str) -> None:
        self.name = name
        self.winner = winner
        self._training_run_id = training_run_id
        self.version = ""
        self._previous: str | None = None
        self._moved_alias = False

    def check_champion(self, compared: PresentChampion | None) -> None:
        """Raise ChampionReplaced if the champion is no longer the one that the winner was compared with.

        Other publications have to be excluded from here to the end of ``complete``.
        """
        now = present_champion(self.name)
        if (now and now.version) != (compared and compared.version):
            raise ChampionReplaced(self.name)
        self._previous = None if now is None else now.version

    def complete(self, bentoml_tag: str, decision: Decision) -> None:
        """Tag the version, name the runs, and move the alias if the version becomes champion."""
        client = mlflow.MlflowClient()
        client.set_model_version_tag(self.name, self.version, TAG_OF_BENTOML, bentoml_tag)
        client.set_model_version_tag(self.name, self.version, "champion_decision", decision.reason)
        _log(decision, self.version)
        title = f"v{self.version} {self.winner.evaluation.candidate.title}"
        client.update_run(self._training_run_id, name=title)
        suffix = "champion" if decision.is_champion else "not champion"
        client.update_run(self.winner.run_id, name=f"{title}, {suffix}")
        if decision.is_champion:
            self._moved_alias = True
            client.set_registered_model_alias(self.name, ALIAS, self.version)

    def register(self) -> None:
        """Create the version."""
        client = mlflow.MlflowClient()
        try:
            client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        candidate = self.winner.evaluation.candidate
        version = client.create_model_version(
            self.name,
            source=f"models:/{self.winner.model_id}",
            run_id=self.winner.run_id,
            model_id=self.winner.model_id,
            tags={"candidate": candidate.name, TITLE: candidate.title},
        )
        self.version = str(version.version)

    def undo(self) -> None:
        """Delete the versions of the run, also unfinished ones, and give back the alias and the names."""
        client = mlflow.MlflowClient()
        for each in client.search_model_versions(f"name = '{self.name}'"):
            if each.run_id == self.winner.run_id:
                # MLflow deletes the alias of a deleted version.
                client.delete_model_version(self.name, str(each.version))
        if self._moved_alias and self._previous is not None and present_champion(self.name) is None:
            client.set_registered_model_alias(self.name, ALIAS, self._previous)
        client.update_run(self._training_run_id, name=self.name)
        client.update_run(self.winner.run_id, name=self.winner.evaluation.candidate.title)


def _log(decision: Decision, version: str) -> None:
    """Log in the open run whether the winner becomes champion, and the comparison that says so."""
    mlflow.set_tags(
        {
            "registered_version": version,
            "is_champion": str(decision.is_champion).lower(),
            "champion_decision": decision.reason,
        }
    )
    if decision.comparison is not None:
        mlflow.log_metrics(decision.comparison.metrics)


@contextmanager
def registered_version(name: str, winner: LoggedCandidate, training_run_id: str) -> Iterator[Registration]:
    """Register the winner as a version of the model, without the alias yet.

    If the publication fails, the version is deleted and the alias is given back. If MLflow does not answer
    to that, a note on the error says so.
    """
    registration = Registration(name, winner, training_run_id)
    try:
        registration.register()
        yield registration
    except BaseException as error:
        try:
            uninterrupted(registration.undo)
        except Exception:
            error.add_note(
                f"MLflow did not answer when the registration was undone: "
                f"{name} may have a version of run {winner.run_id} that was never published."
            )
        raise
