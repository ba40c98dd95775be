"""A site's disk that is really full: a small file system in a name space of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import MakePlan

IN_A_SMALL_STATE = """
mkdir -p "$1/state" && mount -t tmpfs -o size=6m none "$1/state" && exec "$2" -c "$3" "$1" "$4"
"""
FILL = """
import sys
from pathlib import Path

ballast = Path(sys.argv[1]) / "state" / "ballast"

def fill():
    with ballast.open("ab", buffering=0) as file:
        for n in (65536, 1):
            try:
                while True:
                    file.write(bytes(n))
            except OSError:
                pass
"""

WORK = (
    FILL
    + """
import json, os, sys
from pathlib import Path
from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals, ledger
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import load_plan
from medfl_common.wire.tasks import TrainTask, encode_task

folder, plan = Path(sys.argv[1]), load_plan(Path(sys.argv[2]))
state, said, session = folder / "state", [], Session()
approvals.approve(state, plan)
site = open_site(folder, load_site_file(folder))
def code(round_):
    weights = shared_weights(build_model(plan))
    task = TrainTask("train", "cd" * 16, round_, round_, "site-1", plan, weights)
    reply = handle_task(encode_task(task), site, session, said.append)
    return reply.metric_records["numbers"]["code"], "update" in reply

found = []
fill()  # before anything was indexed
found += [code(1), code(1)]
ballast.unlink()
found += [code(1)]
fill()  # with a cache
found += [code(2)]
ballast.unlink()
found += [code(2)]
broken = ledger.first_broken_line(state / "ledger.jsonl")
decisions = [line["decision"] for line in ledger.read_lines(state / "ledger.jsonl")]
print(json.dumps([found, [str(line) for line in said], broken, decisions]))
"""
)


def small_state() -> list[str]:
    """Give the command that runs a script in a name space of its own, or skip."""
    unshare = shutil.which("unshare")
    name_space = [unshare or "", "-rm", "sh", "-c"]
    if unshare is None or subprocess.run([*name_space, "mount -t tmpfs none /mnt"]).returncode:
        pytest.skip("this user may not mount in a name space of its own")
    return name_space


@pytest.mark.slow
def test_a_full_disk_is_a_code_of_its_own_and_one_line_and_all_goes_on_with_room(
    hospitals: Path, make_plan: MakePlan
) -> None:
    name_space = small_state()
    site, plan = hospitals / "site-1", make_plan()

    done = subprocess.run(
        [*name_space, IN_A_SMALL_STATE, "sh", str(site), sys.executable, WORK, str(plan)],
        capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr.decode()
    found, said, broken, decisions = json.loads(done.stdout.splitlines()[-1])
    assert found == [[610, False], [610, False], [0, True], [610, False], [0, True]]
    assert [line for line in said if "MEDFL-E610" in line] == [
        line for line in said if line.startswith(f"not sent: the disk of {site / 'state'}")
    ]
    assert len([line for line in said if "can be read out" not in line]) == 4
    assert "Traceback" not in done.stderr.decode()
    assert broken is None
    full = "failed: MEDFL-E610"
    assert sorted(decisions) == sorted([full, full, "released", full, "released"])


INDEX = (
    FILL
    + """
from medfl_client.cli import app

fill()
app(["index", sys.argv[1]])
"""
)


def test_a_command_on_a_full_disk_ends_with_a_line_that_names_the_folder(hospitals: Path) -> None:
    unshare, site = small_state(), hospitals / "site-1"

    done = subprocess.run(
        [*unshare, IN_A_SMALL_STATE, "sh", str(site), sys.executable, INDEX, ""],
        capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"medfl: the disk of {site / 'state'} is full (MEDFL-E610)",
        "To do, you: make room there",
    ]
