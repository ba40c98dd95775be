"""Who follows one training task through the code opens few files."""

import sys
from pathlib import Path
from types import FrameType

from tests.unit.client.test_answer import ask

from medfl_client.config.site_file import load_site_file
from medfl_client.egress import approvals
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.plan.plan import Plan

MOST = 58  # files of medfl whose functions run, from the records of a task to those of the reply


def test_one_training_task_passes_few_files(hospitals: Path, plan: Plan) -> None:
    folder, session, task = hospitals / "site-1", Session(), ask(plan, 2)
    site = open_site(folder, load_site_file(folder))
    approvals.approve(folder / "state", plan)
    handle_task(ask(plan, 1), site, session, print)  # reads the images, imports what is slow
    passed: set[str] = set()

    def note(frame: FrameType, event: str, value: object) -> None:
        _, _, file = frame.f_code.co_filename.partition("/medfl_")
        if file and event == "call":
            passed.add(file)

    sys.setprofile(note)
    try:
        reply = handle_task(task, site, session, print)
    finally:
        sys.setprofile(None)

    assert "update" in reply
    assert {"client/task/handler.py", "client/training/step.py", "common/wire/tensors.py"} <= passed
    assert len(passed) <= MOST, sorted(passed)
