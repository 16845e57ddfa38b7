"""What libraries warn of themselves; any other warning fails a test."""

LIBRARIES_OWN_WARNINGS = (
    "The ``noload`` loader strategy is deprecated",  # by SQLAlchemy 2.1
    "Operation with range is deprecated",  # by pandas 3.1
    ".*Any type hint is inferred as AnyType",  # by itself, of its own types
    "GitWildMatchPattern .* is deprecated",  # BentoML 1.4.39, by pathspec
)
"""What MLflow 3.17 (and where said so, BentoML) is warned of, whatever is asked of it."""
