"""What ends a hospital's client, and what does not; real processes."""

import signal
import time
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.errors import RunError
from medfl_sim.local.deployment import Deployment, run_here, wait_until

pytestmark = pytest.mark.processes

ANSWER_S = 300.0


def test_a_terminal_that_closes_does_not_end_a_client_and_a_person_does(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    deployment.create(make_plan(), {"site-1": hospitals / "site-1"})
    client = deployment.start_client(hospitals / "site-1")
    screen = deployment.folder / "site-1.log"
    wait_until(lambda: "site-1 is ready" in screen.read_text(), ANSWER_S, "the start")

    client.send_signal(signal.SIGHUP)
    time.sleep(2)

    assert client.poll() is None
    client.send_signal(signal.SIGTERM)
    assert client.wait(ANSWER_S) == 130


def test_a_folder_that_the_system_refuses_is_named_without_a_traceback(
    deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    site = hospitals / "site-1"
    deployment.create(make_plan(), {"site-1": site}, approve=False)
    (site / "state").write_text("not a folder")

    with pytest.raises(RunError) as refused:
        run_here("client", "run", site)

    said = str(refused.value)
    assert f"{site / 'state'}: File exists (MEDFL-E" in said
    assert "Traceback" not in said
