"""One hospital in several studies: one identity, and for each study its own approval and ledger."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flwr.app import RecordDict
from tests.conftest import MakePlan
from tests.unit.several_studies import Coordinator

from medfl_client.commands.join import _folder_of_study
from medfl_client.config.folder import PRIVATE, SIGNING_KEY, StateFolder, home_of
from medfl_client.config.rules import RULES
from medfl_client.config.site_file import Policy, load_site_file
from medfl_client.config.studies import states_of, study_folders
from medfl_client.egress import approvals, ledger
from medfl_client.egress.message_entry import Sent, mb_sent
from medfl_client.task.addressee import OwnStudies
from medfl_client.task.handler import handle_task
from medfl_common.errors import ConfigError, RunError
from medfl_common.ops.invitation import read_invitation
from medfl_sim.local.deployment import run_here


class Hospital:
    """Answers as its client does."""

    def __init__(self, coordinator: Coordinator, folder: Path) -> None:
        self.folder, self.second = folder, coordinator.take_in(folder)
        self.said: list[str] = []
        self.studies = OwnStudies(folder, None, lambda one: self.said.append)

    def code(self, content: RecordDict) -> int:
        to = self.studies.find(content)
        reply = handle_task(content, to.site, to.session, to.tell)
        return int(reply.metric_records["numbers"]["code"])  # type: ignore[arg-type]


@pytest.fixture
def coordinator(tmp_path: Path, make_plan: MakePlan) -> Coordinator:
    return Coordinator(tmp_path / "coordinator", make_plan)


@pytest.fixture
def hospital(coordinator: Coordinator, hospitals: Path) -> Hospital:
    return Hospital(coordinator, hospitals / "site-1")


def n_lines(folder: Path) -> int:
    return len(ledger.read_lines(StateFolder.of(folder).ledger))


def test_each_study_is_answered_by_its_own_approval_and_into_its_own_ledger(
    coordinator: Coordinator, hospital: Hospital
) -> None:
    lungs, hearts = (coordinator.ask(study, "site-1") for study in ("lungs", "hearts"))
    approvals.approve(hospital.second / "state", coordinator.plan("hearts"))

    assert (hospital.code(lungs), hospital.code(hearts)) == (410, 0)

    assert (n_lines(hospital.folder), n_lines(hospital.second)) == (1, 1)
    approvals.approve(hospital.folder / "state", coordinator.plan("lungs"))
    assert hospital.code(lungs) == 0
    run_here("client", "withdraw", hospital.second)
    assert hospital.code(coordinator.ask("hearts", "site-1", round_=2)) == 420
    assert hospital.code(coordinator.ask("lungs", "site-1")) == 0


def test_the_key_of_one_study_does_not_reach_the_approval_of_another(
    coordinator: Coordinator, hospital: Hospital
) -> None:
    hearts = coordinator.plan("hearts")
    approvals.approve(hospital.second / "state", hearts)

    forged = coordinator.ask("lungs", "site-1", plan=hearts)

    assert hospital.code(forged) == 410
    assert (n_lines(hospital.folder), n_lines(hospital.second)) == (1, 0)
    assert not StateFolder.of(hospital.second).questions.exists()


def test_a_key_that_no_study_here_has_is_refused_even_if_the_authority_vouches_for_it(
    coordinator: Coordinator, hospital: Hospital, tmp_path: Path, make_plan: MakePlan
) -> None:
    plan = make_plan("third.yaml")
    plan.write_text(plan.read_text().replace("study: small", "study: third"))
    third = coordinator.folder / "third"
    run_here("server", "init", third, "--plan", plan)
    run_here("server", "enrol", third, "site-1", hospital.folder / "identity.pub")

    assert hospital.code(coordinator.ask("third", "site-1")) == 530

    assert not StateFolder.of(hospital.folder).study_keys.exists()


@pytest.mark.parametrize("limit", ["max_mb_a_day", "max_mb_ever"])
def test_a_limit_of_the_policy_counts_what_left_for_all_studies(
    coordinator: Coordinator, hospital: Hospital, limit: str
) -> None:
    for folder, study in ((hospital.folder, "lungs"), (hospital.second, "hearts")):
        approvals.approve(folder / "state", coordinator.plan(study))
    assert hospital.code(coordinator.ask("lungs", "site-1")) == 0
    policy = Policy(max_mb_ever=1.0)
    one = mb_sent(hospital.folder / "state", policy)
    assert one.day == one.ever > 0
    assert mb_sent(hospital.second / "state", policy) == one
    assert mb_sent(hospital.second / "state", Policy()) == Sent(one.day)
    for folder in (hospital.folder, hospital.second):
        file = folder / "site.yaml"
        text = file.read_text().replace("{min_images", f"{{{limit}: {1.5 * one.day}, min_images")
        file.write_text(text)
    hospital.studies = OwnStudies(hospital.folder, None, lambda one: hospital.said.append)

    assert hospital.code(coordinator.ask("hearts", "site-1")) == 400

    assert limit in hospital.said[-1]
    (line,) = ledger.read_lines(StateFolder.of(hospital.second).ledger)
    assert line["decision"] == f"refused: {RULES[limit][0]}"


def test_a_study_has_no_keys_of_its_own_and_shares_what_protects_patients(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, second = hospital.folder, hospital.second
    for name in (PRIVATE, SIGNING_KEY):
        assert (home / name).exists()
        assert not (second / name).exists()
    own, other = StateFolder.of(home), StateFolder.of(second)
    for name in ("patients_key", "patient_sets", "splits"):
        assert getattr(own, name).resolve() == getattr(other, name).resolve()
    for name in ("ledger", "approvals", "questions", "statements", "study_keys"):
        assert getattr(own, name) != getattr(other, name)
    assert study_folders(second) == [home, second]
    monkeypatch.chdir(second)
    assert home_of(Path()) == home
    assert states_of(Path("state")) == [second / "state", home / "state"]


def test_an_old_directory_is_its_own_home_and_counts_its_own_ledger(tmp_path: Path) -> None:
    site = tmp_path / "studies" / "north"  # a name that is no sign of anything here
    (site / "state").mkdir(parents=True)
    (site / "site.yaml").touch()

    assert home_of(site) == site
    assert study_folders(site) == [site]
    assert states_of(site / "state") == [site / "state"]


def test_a_further_study_joins_into_a_directory_below_with_the_same_keys_and_data(
    coordinator: Coordinator, hospital: Hospital, tmp_path: Path
) -> None:
    """No coordinator listens, so nothing is sent; the directory is made before."""
    home = hospital.folder
    shutil.rmtree(home / "studies")
    key, public = (home / PRIVATE).read_bytes(), (home / "identity.pub").read_bytes()

    def join(study: str, site: str, address: str = coordinator.address) -> str:
        file = tmp_path / f"{study}-{site}-{address[-4:]}"
        words = (coordinator.folder / study, site, "--address", address, "--out", file)
        run_here("server", "invite", *words)
        with pytest.raises(RunError) as caught:
            run_here("client", "join", file, home, "--yes")
        return " ".join(str(caught.value).split())

    assert "the invitation is for north at localhost:8443" in join("hearts", "north")
    assert "the invitation is for site-1 at localhost:9999" in join(
        "hearts", "site-1", "localhost:9999"
    )
    assert not (home / "studies").exists()
    assert f"all files in {home} are kept" in join("lungs", "site-1")
    assert not (home / "studies").exists()
    second = home / "studies" / "hearts"
    assert f"all files in {second} are kept" in join("hearts", "site-1")

    data = load_site_file(second).data
    assert (data.folder, data.labels) == (str(home / "dicom"), str(home / "labels.csv"))
    assert ((home / PRIVATE).read_bytes(), (home / "identity.pub").read_bytes()) == (key, public)
    assert [one.site.name for one in OwnStudies(home, None, lambda one: print).all] == [
        "site-1"
    ] * 2


CLIENT = """
import signal, sys, time
from pathlib import Path
from medfl_client.config.studies import CUT
from medfl_common.files import locked
def cut(*_):
    print("cut", flush=True)
signal.signal(CUT, cut)
with locked(Path(sys.argv[1])):
    print("runs", flush=True)
    time.sleep(120)
"""


def test_who_leaves_one_study_cuts_the_connection_and_the_client_goes_on_for_the_others(
    coordinator: Coordinator, hospital: Hospital
) -> None:
    for folder, study in ((hospital.folder, "lungs"), (hospital.second, "hearts")):
        approvals.approve(folder / "state", coordinator.plan(study))
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, hospital.folder / "state"], stdout=subprocess.PIPE
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"runs\n"
    try:
        said = run_here("client", "withdraw", hospital.second)

        assert client.stdout.readline() == b"cut\n"
        assert client.poll() is None
    finally:
        client.kill()
        client.communicate()
    assert "goes on for the other studies" in " ".join(said.split())
    (left,) = approvals.approved(hospital.folder / "state")
    assert left.study == "lungs"
    assert approvals.approved(hospital.second / "state") == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("site: site-1", "site: north"), "one name and one pair of keys at a coordinator"),
        (("localhost:8443", "localhost:9443"), "a study of another coordinator needs a site"),
        (("{min_images", '{hours: "20:00-06:00", min_images'), "takes the tasks of all studies"),
    ],
)
def test_what_one_client_cannot_do_for_two_studies_is_said_at_the_start(
    hospital: Hospital, wrong: tuple[str, str], said: str
) -> None:
    file = hospital.second / "site.yaml"
    file.write_text(file.read_text().replace(*wrong))

    with pytest.raises(ConfigError) as caught:
        OwnStudies(hospital.folder, None, lambda one: hospital.said.append)

    assert said in str(caught.value)


def test_a_study_that_is_joined_meanwhile_is_answered_by_the_client_that_runs(
    coordinator: Coordinator, hospitals: Path
) -> None:
    folder = hospitals / "site-2"
    later = folder / "studies"
    hospital = Hospital(coordinator, folder)
    later.rename(folder / "elsewhere")
    hospital.studies = OwnStudies(folder, None, lambda one: hospital.said.append)
    assert hospital.code(coordinator.ask("hearts", "site-2")) == 530

    (folder / "elsewhere").rename(later)

    assert hospital.code(coordinator.ask("hearts", "site-2")) == 410
    assert json.loads((later / "hearts" / "state" / "study-keys.json").read_text())
    assert load_site_file(later / "hearts").site == "site-2"


def test_a_join_of_a_further_study_that_was_cut_off_goes_on(
    coordinator: Coordinator, hospital: Hospital, tmp_path: Path
) -> None:
    file = tmp_path / "site-1.medfl-invite"
    run_here("server", "invite", coordinator.folder / "hearts", "site-1", "--out", file)
    (hospital.second / "ca.crt").unlink()

    assert _folder_of_study(hospital.folder, read_invitation(file)) == hospital.second


def test_a_policy_that_is_changed_holds_from_the_next_task_on(
    coordinator: Coordinator, hospital: Hospital
) -> None:
    task, file = coordinator.ask("lungs", "site-1"), hospital.folder / "site.yaml"
    text = file.read_text()
    approvals.approve(hospital.folder / "state", coordinator.plan("lungs"))
    assert hospital.code(task) == 0

    file.write_text(text.replace("min_cell: 1", "min_cell: 1, models: [resnet18]"))
    assert hospital.code(task) == 400
    file.write_text("policy: {nonsense: 1}")
    assert hospital.code(task) == 400  # the stricter one holds on

    assert "Until site.yaml is put right, the policy of before holds" in hospital.said[-2]
    file.write_text(text)
    assert hospital.code(task) == 0
