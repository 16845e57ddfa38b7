"""The root of the error tree."""


class TabentoError(Exception):
    """Base of every error that the service raises on purpose."""
