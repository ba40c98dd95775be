"""What `approve` shows of a step, of who takes part and of what an update could show."""

import pytest
from tests.conftest import MakePlan

from medfl_client.commands.plan_risks import risks
from medfl_client.commands.plan_summary import summarise
from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import permit
from medfl_common.errors import DisclosureError
from medfl_common.plan.plan import load_plan


def test_a_step_and_who_takes_part_are_shown(make_plan: MakePlan) -> None:
    plan = load_plan(
        make_plan(
            training={
                "batch_size": 6, "optimizer": "adam", "lr": 0.003,
                "schedule": {"kind": "cosine", "warmup_rounds": 2},
                "augmentation": {"flip": True, "rotation_deg": 10},
            },
            federation={"min_sites": 2, "sites_per_round": 3},
        )
    )  # fmt: skip

    shown = "\n".join(" | ".join(row) for row in summarise(plan))

    assert "6 images, adam, learning rate 0.003, cosine schedule, warm-up of 2 rounds" in shown
    assert "by: flip, rotation_deg 10" in shown
    assert "3 hospitals are drawn and asked; it counts if at least 2 answer" in shown


@pytest.mark.parametrize(
    ("sections", "words", "policy", "rule"),
    [
        ({"training": {"batch_size": 4}}, "fewer than 8 images", {"min_batch": 8}, "P15"),
        (
            {
                "model": {"name": "resnet18", "weights": "imagenet", "norm": "own"},
                "images": {"size": 32},
            },
            "cannot make by itself", {"start_weights": "own"}, "P14",
        ),
        (
            {"model": {"name": "vgg16"}, "images": {"size": 32}},
            "large dense layers", {"models": ["small_cnn"]}, "P2",
        ),
        ({"model": {"norm": "batch"}}, "means and variances", {"models": ["resnet18"]}, "P2"),
    ],
)  # fmt: skip
def test_each_risk_names_the_rule_that_forbids_it(
    sections: dict[str, dict[str, object]],
    words: str,
    policy: dict[str, object],
    rule: str,
    make_plan: MakePlan,
) -> None:
    plan, plain = load_plan(make_plan(**sections)), load_plan(make_plan("plain.yaml"))

    (risk,) = [risk for risk in risks(plan) if words in risk]

    assert f"policy {rule}" in risk
    assert not any(words in risk for risk in risks(plain))
    with pytest.raises(DisclosureError, match=rf"policy {rule}"):
        permit(plan, Policy(**policy))  # type: ignore[arg-type]
    permit(plan, Policy())
