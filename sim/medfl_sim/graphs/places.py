"""Where in the author's code a step of a program comes from."""

import re
import sysconfig
from pathlib import Path

from torch.fx import Node as Step

PLACE = re.compile(r'File "([^"]+)", line (\d+), in (\w+)\n\s*([^\n]+)')
INSTALLED = tuple(Path(sysconfig.get_path(kind)).as_posix() for kind in ("purelib", "stdlib"))
PACKAGES = "/site-packages/"  # of another environment that this one reads, too


def place_of(step: Step) -> str:
    """Say the line that a step comes from, such as ` (my_net.py, line 12: x = f(x))`."""
    return place_in(step.meta.get("stack_trace") or "")


def place_in(trace: str) -> str:
    """Say the last line of a trace that is the author's, else its last; empty: there is none."""
    lines = PLACE.findall(trace)
    if not lines:
        return ""
    own = [one for one in lines if not one[0].startswith(INSTALLED) and PACKAGES not in one[0]]
    file, line, _, code = (own or lines)[-1]
    return f" ({Path(file).name}, line {line}: {code.strip()})"
