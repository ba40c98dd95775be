"""A study whose network, loss, augmentation, metric and rule come from a plugin, as processes."""

from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan
from tests.wheels import MARKER, SECTIONS, install

from medfl_client.config.folder import PUBLIC
from medfl_common.errors import RunError
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog
from medfl_sim.local.deployment import Deployment, run_command, wait_until

pytestmark = pytest.mark.processes

END_S = 300.0  # for what takes seconds on an idle machine


@pytest.mark.slow
def test_a_study_runs_on_a_plugin_that_each_hospital_installed_and_no_other(
    deployment: Deployment,
    hospitals: Path,
    make_plan: MakePlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = install(tmp_path / "wheels")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "wheels"))
    monkeypatch.setenv(MARKER, str(tmp_path / "marker"))
    plan = make_plan(**SECTIONS)
    values = {**yaml.safe_load(plan.read_text()), "plugins": [plugin.model_dump()]}
    plan.write_text(yaml.safe_dump(values))
    study, sites = deployment.study, sorted(hospitals.iterdir())

    run_command("server", "init", study, "--plan", plan, "--host", "localhost")
    for site in sites:
        ca, kept = RunFolder(study).ca, RunFolder(study).plan_file
        run_command("client", "init", site, "--server", f"localhost:{deployment.port}", "--ca", ca)
        with pytest.raises(RunError, match=r"allowed here: none \(policy P25, plugins\)"):
            run_command("client", "approve", site, kept, "--yes")
        allowed = f"min_cell: 1, plugins: [{plugin.model_dump_json()}]"
        file = site / "site.yaml"
        file.write_text(file.read_text().replace("min_cell: 1", allowed))
        assert "the coordinator did not send it" in run_command(
            "client", "approve", site, kept, "--yes"
        )
        run_command("server", "enrol", study, site.name, site / PUBLIC)
    deployment.start_server()
    for site in sites:
        deployment.start_client(site)
    log = RunLog(study)
    wait_until(lambda: bool(log.lines("finished")), END_S, "the end of the study")

    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(RunError, match="is not installed here"):
        run_command("server", "report", study)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "wheels"))
    assert "youden" in _report(study)
    (finished,) = log.lines("finished")
    twin = tmp_path / "twin"
    run_command(
        "sim", "run", plan, "--data", hospitals, "--out", twin, "--cache", tmp_path / "cache",
        "--no-baselines",
    )  # fmt: skip
    assert RunLog(twin).lines("finished")[0]["sha256"] == finished["sha256"]


def _report(study: Path) -> str:
    run_command("server", "report", study)
    return (study / "report.html").read_text()
