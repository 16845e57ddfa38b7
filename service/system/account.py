"""The account of this process."""

import os
import pwd


def account_name() -> str:
    """The name of the account; its number if it has no name, as in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
