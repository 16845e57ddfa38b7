"""The service without its gateway: the ``@bentoml.api`` methods as BentoML itself serves them."""

from service.app import TabularClassifier

__all__ = ["TabularClassifier"]

TabularClassifier.middlewares.clear()  # type: ignore[attr-defined]
