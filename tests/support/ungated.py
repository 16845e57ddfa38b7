"""The service without its gateway: the ``@bentoml.api`` methods as BentoML itself serves them."""

from service.app import TabularClassifier
from service.worker.bentoml_internals import unwrap_application

__all__ = ["TabularClassifier"]

unwrap_application(TabularClassifier)
