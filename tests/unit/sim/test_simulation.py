"""The round loop with the real apps, in this process."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan

from medfl_client.task.site import Site
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_common.run.checkpoint import load_newest
from medfl_common.run.events import Finished, RoundMade
from medfl_server.reports.report import write_report
from medfl_server.rounds.paused import PausedError
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.data.scenario import partitioned
from medfl_sim.engine.simulation import run_study


def run(folder: Path, plan_file: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan_file)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def final_digest(study: Study) -> object:
    (finished,) = study.log.lines("finished")
    return finished["sha256"]


def stop_after(round_: int, said: list[str]) -> Callable[[str], None]:
    def announce(line: str) -> None:
        said.append(line)
        if line.startswith(f"round {round_} of"):
            raise KeyboardInterrupt

    return announce


def test_a_study_that_was_stopped_ends_with_the_same_bits(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan()
    whole = run(tmp_path / "whole", plan, hospitals)
    broken = create_study(tmp_path / "broken", plan)
    sites = virtual_sites(hospitals, broken.plan)
    with pytest.raises(KeyboardInterrupt):
        run_study(broken, sites, stop_after(2, []))

    again = open_study(tmp_path / "broken")
    run_study(again, sites)

    assert final_digest(again) == final_digest(whole)
    assert [event["round"] for event in again.log.lines("round")] == [1, 2, 3]
    assert [event["round"] for event in again.log.lines("resumed")] == [2]
    events = again.log.lines()
    run_study(again, sites)  # a finished study has nothing left to do
    assert again.log.lines() == events


def test_a_round_that_was_saved_but_not_logged_is_logged_once(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan())
    sites = virtual_sites(hospitals, study.plan)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, sites, stop_after(2, []))
    lines = study.log.path.read_text().splitlines()
    study.log.path.write_text("\n".join(lines[:-1]) + "\n")  # as if killed between the two

    run_study(study, sites)

    assert [event["round"] for event in study.log.lines("round")] == [1, 2, 3]
    assert set(study.log.lines("round")[1]["sites"]) == {"site-1", "site-2", "site-3"}


def test_a_site_that_fails_is_named_and_the_others_go_on(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    labels = hospitals / "site-2" / "labels.csv"
    labels.write_text(labels.read_text().replace("opacity", "unheard-of"))
    study = create_study(tmp_path / "s", make_plan(federation={"min_sites": 2, "deadline_s": 5}))
    sites = dict(virtual_sites(hospitals / "site-1", study.plan))
    sites |= virtual_sites(hospitals / "site-3", study.plan)

    def unready(plan: object) -> None:
        virtual_sites(hospitals / "site-2", study.plan)

    first = sites["site-1"]
    sites["site-2"] = Site("site-2", first.policy, first.device, unready, None)  # type: ignore[arg-type]

    run_study(study, sites)

    for event in study.log.lines("round"):
        assert set(event["sites"]) == {"site-1", "site-3"}
        assert "MEDFL-E200" in event["missing"]["site-2"]
    assert "unheard-of" not in study.log.path.read_text()


def test_rounds_without_a_quorum_change_nothing_and_pause_the_study(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"min_sites": "all", "empty_rounds": 2})
    study = create_study(tmp_path / "s", plan)
    sites = virtual_sites(hospitals, study.plan)
    strict = sites["site-2"].policy.model_copy(update={"min_images": 10_000})
    broken = {
        **sites,
        "site-2": Site("site-2", strict, torch.device("cpu"), sites["site-2"].data, None),
    }

    with pytest.raises(PausedError, match="paused after round 0: 2 times in a row"):
        run_study(study, broken)

    assert study.log.lines("round") == []
    assert study.log.lines("finished") == []
    checkpoint, _ = load_newest(study.checkpoints)
    assert checkpoint is not None
    assert checkpoint.round == 0
    run_study(study, sites)
    assert len(study.log.lines("round")) == 3


def test_a_fault_in_the_code_is_named_once_by_its_last_line_and_with_its_log(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    def broken(plan: object) -> object:
        raise RuntimeError("sizes of tensors must match")

    study = create_study(tmp_path / "s", make_plan(federation={"empty_rounds": 2}))
    sites = virtual_sites(hospitals, study.plan)
    same = {name: Site(name, site.policy, site.device, broken, None)  # type: ignore[arg-type]
            for name, site in sites.items()}  # fmt: skip
    said: list[str] = []

    with pytest.raises(PausedError) as paused:
        run_study(study, same, said.append)

    assert paused.value.what.count("not sent: RuntimeError: sizes of tensors must match") == 1
    assert "Traceback" not in paused.value.what
    assert paused.value.todo.endswith(f"the reasons are in {study.files.not_sent_log}")
    assert any("RuntimeError: sizes of tensors" in line for line in said)


def five_hospitals(folder: Path, n_images: int) -> Path:
    for site in write_hospitals(folder, n_sites=5, n_images=n_images, seed=1):
        with (site / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    return folder


@pytest.mark.slow
def test_the_site_whose_labels_are_swapped_stands_out(make_plan: MakePlan, tmp_path: Path) -> None:
    hospitals = five_hospitals(tmp_path / "five", 60)
    labels = hospitals / "site-2" / "labels.csv"
    swap = {"normal": "opacity", "opacity": "normal"}
    labels.write_text(re.sub("normal|opacity", lambda m: swap[m[0]], labels.read_text()))
    plan = make_plan(
        images={"size": 32},
        training={"optimizer": "adam", "lr": 0.001, "epochs": 4, "precision": "float32"},
        federation={"rounds": 6},
    )

    study = run(tmp_path / "s", plan, hospitals)

    page = write_report(study).read_text()
    assert re.findall(r"(site-\d) stands out: (its updates point against)", page) == [
        ("site-2", "its updates point against")
    ]


def test_a_robust_study_goes_on_after_a_stop_and_logs_the_same(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    hospitals = five_hospitals(tmp_path / "five", 24)
    plan = make_plan(federation={"strategy": "multi_krum", "min_sites": 2, "rounds": 2})
    whole = run(tmp_path / "whole", plan, hospitals)
    broken = create_study(tmp_path / "broken", plan)
    sites = virtual_sites(hospitals, broken.plan)
    with pytest.raises(KeyboardInterrupt):
        run_study(broken, sites, stop_after(1, []))
    lines = broken.log.path.read_text().splitlines()
    broken.log.path.write_text("\n".join(lines[:-1]) + "\n")  # as if killed before the log line

    run_study(broken, sites)

    assert final_digest(broken) == final_digest(whole)
    for one, other in zip(broken.log.lines("round"), whole.log.lines("round"), strict=True):
        for site, facts in one["sites"].items():
            assert facts["norm"] == other["sites"][site]["norm"] > 0
            assert facts["cosine"] == other["sites"][site]["cosine"]
    with pytest.raises(ConfigError, match=r"4 hospitals take part, .* needs 5 valid replies"):
        run_study(create_study(tmp_path / "few", plan), dict(list(sites.items())[:4]))


def test_batchnorm_trains_and_its_counts_stay_at_home(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = run(tmp_path / "s", make_plan(model={"norm": "batch"}), hospitals)

    checkpoint, _ = load_newest(study.checkpoints)
    assert checkpoint is not None
    assert "backbone.1.running_var" in checkpoint.weights
    assert not any("num_batches" in name for name in checkpoint.weights)
    assert float(checkpoint.weights["backbone.1.running_var"].min()) > 0


def test_the_log_adds_up(hospitals: Path, make_plan: MakePlan, tmp_path: Path) -> None:
    study = run(tmp_path / "s", make_plan(), hospitals)

    for event in [*study.log.read(RoundMade), *study.log.read(Finished)]:
        for facts in (reply.facts for reply in event.sites.values()):
            assert sum(map(sum, facts["tally"]["confusion"])) == facts["tally"]["n"]
    assert json.loads((study.folder / "study.json").read_text())["plan_sha256"] == study.plan.hash()
    assert (study.folder / "model.safetensors").exists()


def test_a_pooled_data_set_is_partitioned_and_trains(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = load_plan(make_plan(federation={"rounds": 1}))
    sites = virtual_sites(hospitals, plan, partitioned("iid", 5))
    study = create_study(tmp_path / "s", make_plan(federation={"rounds": 1}))

    run_study(study, sites)

    (event,) = study.log.lines("round")
    scored = sum(facts["n_scored"] for facts in event["sites"].values())
    trained = sum(facts["n_images"] for facts in event["sites"].values())
    assert len(event["sites"]) == 5
    assert trained + scored == 120


def test_with_nobody_held_out_nobody_is_asked_to_score(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 1}, evaluation={"validation": 0, "test": 0})

    study = run(tmp_path / "s", plan, hospitals)

    (finished,) = study.log.lines("finished")
    assert finished["sites"] == {}
    assert (study.folder / "model.safetensors").exists()
    assert "No hospital scored it" in write_report(study).read_text()


def test_why_a_hospital_sent_nothing_is_for_the_researcher_alone(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    site_file = hospitals / "site-1" / "site.yaml"
    site_file.write_text(site_file.read_text().replace("min_images: 5", "min_images: 5000"))
    study = create_study(tmp_path / "run", make_plan(federation={"min_sites": 2}))

    run_study(study, virtual_sites(hospitals, study.plan))

    told = study.folder / "not-sent.log"
    assert "5000 are the fewest" in told.read_text()
    assert told.stat().st_mode & 0o077 == 0
