"""Membership inference on finished models: learnt by heart is found, untrained is not."""

from pathlib import Path

import torch
import yaml
from tests.conftest import PLAN

from medfl_common.metrics.membership import attack_of
from medfl_common.run.events import Event
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.sections.privacy import membership_in
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study


def study_of(folder: Path, lr: float, membership: bool = True) -> Study:
    """Two hospitals of 120 images whose labels are drawn anew: all that is learnt is by heart."""
    folder.mkdir()
    for home in write_hospitals(folder / "hospitals", n_sites=2, n_images=120, seed=1):
        with (home / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 5}\n")
        head, *rows = (row.split(",") for row in (home / "labels.csv").read_text().splitlines())
        coins = torch.rand(len(rows), generator=torch.Generator().manual_seed(7)) < 0.5
        for row, coin in zip(rows, coins.tolist(), strict=True):
            row[2] = "opacity" if coin else "normal"
        text = "\n".join(",".join(row) for row in [head, *rows])
        (home / "labels.csv").write_text(text + "\n")
    plan = yaml.safe_load(PLAN)
    plan["training"] = {"optimizer": "adam", "lr": lr, "batch_size": 8, "epochs": 20}
    plan["evaluation"] = {"validation": 0.3, "test": 0.3, "keep": "last", "membership": membership}
    plan["federation"]["rounds"] = 3
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    made = create_study(folder / "run", folder / "plan.yaml")
    run_study(made, virtual_sites(folder / "hospitals", made.plan))
    return made


def test_a_model_that_learnt_by_heart_is_found_and_report_and_card_say_so(tmp_path: Path) -> None:
    study = study_of(tmp_path / "heart", 0.003)

    counts = membership_in(study.log.read(Event))

    assert counts is not None
    attack = attack_of(counts)
    assert attack is not None
    assert attack.interval is not None
    assert attack.interval[0] > 0.6
    assert (attack.n_trained, attack.n_held_out) == (99, 141)
    page, _ = write_report(study).read_text(), write_model_card(study)
    card = study.files.model_card.read_text()
    for text in (page, card):
        assert f"AUC of the attack {attack.auc:.2f}" in text
        assert "It is the weakest of attacks: that it fails says little." in text
        assert "Neither noise nor secure sums" in text


def test_a_model_that_learnt_nothing_is_not_found(tmp_path: Path) -> None:
    counts = membership_in(study_of(tmp_path / "nothing", 1e-7).log.read(Event))

    assert counts is not None
    attack = attack_of(counts)
    assert attack is not None
    assert attack.interval is not None
    assert attack.interval[0] < 0.5 < attack.interval[1]


def test_nothing_is_counted_unless_the_plan_asks(tmp_path: Path) -> None:
    study = study_of(tmp_path / "silent", 0.01, membership=False)

    assert membership_in(study.log.read(Event)) is None
    assert "the plan does not ask for the counts" in write_report(study).read_text()
