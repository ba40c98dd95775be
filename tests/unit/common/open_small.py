"""Opens the small console as a process of its own: FOLDER [what was wanted, as JSON]."""

import json
import sys
from pathlib import Path

from tests.unit.common.small_console import ROLES, Small

from medfl_common.console.opening import Wanted, open_console
from medfl_common.ui.screen import Screen, errors_for_people

if __name__ == "__main__":
    folder, facts = Path(sys.argv[1]), json.loads(sys.argv[2])
    for name in ("certificate", "key"):
        facts[name] = Path(facts[name]) if name in facts else None
    small = Small(folder)
    with errors_for_people():
        open_console(small.console, Wanted(**facts), small.folder, ROLES, Screen())
