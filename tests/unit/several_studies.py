"""A coordinator with two studies, `lungs` and `hearts`, and hospitals that take part in both."""

from pathlib import Path

from flwr.app import RecordDict
from tests.conftest import MakePlan

from medfl_client.config.folder import PUBLIC
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.folder import RunFolder
from medfl_common.wire.tasks import TrainTask, encode_task
from medfl_server.roster.enrolment import read_roster
from medfl_server.superlink.task_signer import TaskSigner
from medfl_sim.local.deployment import run_here

STUDIES = ("lungs", "hearts")


class Coordinator:
    """Two studies with one authority."""

    def __init__(self, folder: Path, make_plan: MakePlan, port: int = 8443) -> None:
        self.folder, self.address = folder, f"localhost:{port}"
        run_here("server", "init", folder, "--host", "localhost")
        for name in STUDIES:
            plan = make_plan(f"{name}.yaml")
            plan.write_text(plan.read_text().replace("study: small", f"study: {name}"))
            run_here("server", "init", folder / name, "--plan", plan)

    def plan(self, study: str) -> Plan:
        return load_plan(RunFolder(self.folder / study).plan_file)

    def take_in(self, site: Path) -> Path:
        """Give a hospital's directory both studies by files; return the directory of the second."""
        second = site / "studies" / "hearts"
        second.mkdir(parents=True)
        text = (site / "site.yaml").read_text()
        for name in ("dicom", "labels.csv"):
            text = text.replace(f": {name}", f": ../../{name}")
        (second / "site.yaml").write_text(text)
        for study, folder in (("lungs", site), ("hearts", second)):
            ca = RunFolder(self.folder / study).ca
            run_here("client", "init", folder, "--server", self.address, "--ca", ca)
            run_here("server", "enrol", self.folder / study, site.name, site / PUBLIC)
        return second

    def ask(self, study: str, site: str, plan: Plan | None = None, round_: int = 1) -> RecordDict:
        """Ask a hospital in a study, signed with the key of that study."""
        plan = plan or self.plan(study)
        weights = shared_weights(build_model(plan))
        content = encode_task(TrainTask("train", "cd" * 16, round_, 5, site, plan, weights))
        folder = self.folder / study
        TaskSigner(folder).sign(content, site, read_roster(folder)[site])
        return content
