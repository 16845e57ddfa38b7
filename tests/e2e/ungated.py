"""The service without its gateway: the ``@bentoml.api`` methods as BentoML itself serves them."""

from service.app import TabularClassifier
from service.http.application import unwrap_application

__all__ = ["TabularClassifier"]

unwrap_application(TabularClassifier)
