"""What became of a retraining, in MLflow: tags of the registered version, and files of the training's run."""

import mlflow

from lifecycle.retrain.gate_result import GateResult
from lifecycle.retrain.retraining_lineage import RetrainingLineage
from training.train import Training

SEEN_UPTO_ID = "trained_log_upto_id"
"""Of a version: the last record that it was trained on, so that it is not judged by rows that it has seen."""
_TAG_LIMIT = 4_900
"""MLflow takes tags of 5,000 characters."""


def log_outcome(training: Training, lineage: RetrainingLineage, gate: GateResult) -> None:
    """State the gate's verdict and reasons, and the lineage; raises MlflowException."""
    client = mlflow.MlflowClient()
    name, version = lineage.name, training.lineage.model_version
    tags = {
        "gate": gate.verdict,
        "gate_reasons": " ".join(gate.reasons)[:_TAG_LIMIT],
        "parent": f"{lineage.parent} (version {lineage.parent_version})",
        "table_sha256": lineage.table.sha256,
    }
    if lineage.log is not None:
        tags |= {"log_id": lineage.log.log_id, SEEN_UPTO_ID: str(lineage.log.trained.last_id or 0)}
        tags |= {"label_warning": lineage.log.warning[:_TAG_LIMIT]} if lineage.log.warning else {}
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    client.log_text(training.run_id, lineage.model_dump_json(indent=2), "lineage.json")
    client.log_text(training.run_id, gate.model_dump_json(indent=2), "gate.json")
    for check in gate.checks:
        if check.value is not None:
            client.log_metric(training.run_id, f"gate_{check.name}", check.value)
    client.set_tag(training.run_id, "gate", gate.verdict)
