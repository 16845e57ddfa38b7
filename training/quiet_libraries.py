"""What BentoML and MLflow send, write and wait for, set before they are imported."""

import os

ENVIRONMENT = {
    # BentoML and MLflow report nothing to their makers.
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow logs its database's migrations, and errors that it also raises, with their tracebacks. It prints
    # links to stdout, where --json prints its object.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow gives up on a server that does not answer after seconds instead of minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # MLflow looks for a git repository, and warns where git is not installed.
    "GIT_PYTHON_REFRESH": "quiet",
}


def quiet_libraries() -> None:
    """Set the environment of this process, except for what is set already."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
