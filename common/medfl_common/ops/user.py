"""Who runs this process, for findings and logs of this machine."""

import os
import pwd
from contextlib import suppress


def user_name() -> str:
    """Name the user that this process runs as."""
    with suppress(KeyError):  # in a container a user may have no name
        return pwd.getpwuid(os.getuid()).pw_name
    return f"number {os.getuid()}"
