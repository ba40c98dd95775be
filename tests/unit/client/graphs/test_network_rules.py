"""What a hospital allows that comes as data, and what it reads of it before it decides."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from flwr.app import RecordDict
from safetensors.torch import save
from torch import nn

from medfl_client.commands.graph_in_words import graph_risks, graph_rows
from medfl_client.commands.plan_summary import summarise
from medfl_client.config.site_file import Policy
from medfl_client.egress.approvals import approve
from medfl_client.egress.guard import permit
from medfl_client.egress.imprint import imprint_in
from medfl_client.egress.network_rules import allow_kept
from medfl_client.task.graphs_here import have_graphs
from medfl_client.training.evaluate import images_at_once
from medfl_common.errors import DisclosureError, NoStartError
from medfl_common.plan.graph_files import GraphFile
from medfl_common.plan.model_choice import ModelChoice
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.privacy import Noise, Privacy
from medfl_sim.graphs.describe import describe

PLAN = """
plan: 1
study: brought
seed: 1
task: {type: binary, classes: [normal, opacity]}
images: {modality: [DX], size: 32}
federation: {rounds: 2}
"""


class Small(nn.Module):
    """A convolution, a norm, a pooling and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.head = nn.Linear(8, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.norm(self.conv(pixels)).relu().mean((2, 3)))
        return logits


class Imprint(nn.Module):
    """A dense layer over all pixels in front of a small network, as imprint attacks have."""

    def __init__(self, n_rows: int = 1200) -> None:
        super().__init__()
        self.rows, self.back = nn.Linear(32 * 32, n_rows), nn.Linear(n_rows, 32 * 32)
        self.small = Small()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.back(self.rows(pixels.flatten(1)).relu())
        logits: torch.Tensor = self.small(seen.reshape(-1, 1, 32, 32))
        return logits


def plan_of(network: nn.Module, folder: Path, more: str = "") -> Plan:
    made = describe(network, (1, 32, 32))
    (folder / "net.json").write_bytes(made.data)
    (folder / "net.safetensors").write_bytes(save(made.weights))
    hashes = [hashlib.sha256((folder / f"net.{e}").read_bytes()).hexdigest() for e in ENDS]
    weights = {"file": "net.safetensors", "sha256": hashes[1]}
    model = {"name": "graph", "file": "net.json", "sha256": hashes[0], "weights": weights}
    values = {**yaml.safe_load(PLAN + more), "model": model}
    (folder / "plan.yaml").write_text(yaml.safe_dump(values))
    return load_plan(folder / "plan.yaml")


ENDS = ("json", "safetensors")
SUMS = "privacy: {secure_sum: {most_images: 1000}}\n"


def policy(**settings: object) -> Policy:
    return Policy.model_validate(settings)


def test_a_hospital_that_says_nothing_takes_built_in_networks_alone(tmp_path: Path) -> None:
    plan = plan_of(Small(), tmp_path)

    with pytest.raises(DisclosureError, match="policy P24, networks") as caught:
        permit(plan, policy())

    assert caught.value.rule == "P24"
    assert f"networks: [{plan.model.sha256}]" in str(caught.value)  # the line to write
    permit(plan, policy(networks=[plan.model.sha256]))


def test_any_network_needs_protection_unless_the_hospital_says_otherwise(tmp_path: Path) -> None:
    plan = plan_of(Small(), tmp_path)

    with pytest.raises(DisclosureError, match="neither noise nor secure sums"):
        permit(plan, policy(networks="any"))

    permit(plan, policy(networks="any", bare_networks=True))


def test_approval_shows_layers_cost_and_origin(tmp_path: Path) -> None:
    plan = plan_of(Small(), tmp_path)
    rows = dict(summarise(plan))

    assert "No code came" in rows["the network that is brought"]
    assert str(plan.model.sha256) in rows["the network that is brought"]
    assert rows["its layers"] == (
        "1 convolution, 1 group norm; the first convolution sees 3 x 3 pixels"
    )
    # 32 x 32 places, 8 channels, 9 weights each: the head is medfl's own
    assert f"{32 * 32 * 8 * 9 / 1e6:.0f} million multiplications" in rows["what it costs"]
    assert [row[0] for row in graph_rows(plan)] == [
        "the network that is brought", "its layers", "what it costs",
    ]  # fmt: skip


def test_a_layer_that_sees_the_whole_image_is_flagged_and_ordinary_ones_are_not(
    tmp_path: Path,
) -> None:
    assert graph_risks(plan_of(Small(), tmp_path)) == []

    wide, *_, heavy = graph_risks(plan_of(Imprint(), tmp_path))

    assert "the layer rows, near the pixels, sees 100% of an image" in wide
    assert "2,459," in heavy


def test_rows_that_measure_the_same_are_a_trap_and_drawn_ones_are_none() -> None:
    torch.manual_seed(0)
    network, trap = Imprint(64), Imprint(64)
    with torch.no_grad():
        trap.rows.weight.copy_(torch.full((64, 1024), 1 / 1024) * torch.rand(64, 1))
        trap.rows.bias.copy_(-torch.linspace(0, 1, 64))

    assert imprint_in(network.state_dict()) == ""
    assert imprint_in(trap.state_dict()) == "rows.weight"
    half = {"w": torch.cat([trap.rows.weight[:40], network.rows.weight[:24]])}
    assert imprint_in(half) == "w"


def test_a_kept_network_runs_where_it_is_listed_or_its_plan_was_approved(tmp_path: Path) -> None:
    plan, state = plan_of(Small(), tmp_path), tmp_path / "state"

    with pytest.raises(DisclosureError, match="policy P24, networks"):
        allow_kept(plan, policy(), state)

    allow_kept(plan, policy(networks=[plan.model.sha256]), state)
    allow_kept(plan, policy(networks="any"), state)
    state.mkdir()
    approve(state, plan)
    allow_kept(plan, policy(), state)


def test_with_noise_what_came_as_data_sees_one_image_at_a_time(tmp_path: Path) -> None:
    noise = Noise(epsilon=8, delta=1e-5, draw=8, steps=2, multiplier=1, least_patients=100)
    plan = plan_of(Small(), tmp_path)
    private = plan.model_copy(update={"privacy": Privacy(noise=noise)})
    built_in = private.model_copy(update={"model": ModelChoice(name="small_cnn")})
    step = GraphFile(file="step.json", sha256="0" * 64)
    images = plan.images.model_copy(update={"graph": step})

    assert images_at_once(plan) > 1
    assert images_at_once(private) == 1
    assert images_at_once(built_in) > 1
    assert images_at_once(built_in.model_copy(update={"images": images})) == 1


@pytest.mark.parametrize("name", ["there.txt", "absent.txt"])
def test_a_task_reads_no_file_of_the_hospital_by_the_plans_word(tmp_path: Path, name: str) -> None:
    own = tmp_path / "there.txt"
    own.write_text("a file of the hospital's")
    plan, sha256 = plan_of(Small(), tmp_path), hashlib.sha256(own.read_bytes()).hexdigest()
    for known in (sha256, "1" * 64):
        model = plan.model.model_copy(update={"file": str(tmp_path / name), "sha256": known})
        hostile = plan.model_copy(update={"model": model})
        with pytest.raises(NoStartError, match="is not here"):
            have_graphs(RecordDict(), hostile, tmp_path / "state")
