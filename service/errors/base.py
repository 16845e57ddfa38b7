"""The root of the error tree."""


class TabentoError(Exception):
    """Base of all the errors that are raised on purpose."""
