"""What an author is told at the own desk: a graph, its plan, or why it is none."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.conftest import PLAN, MakePlan
from torch import nn
from typer.testing import CliRunner

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_sim.cli import app
from medfl_sim.graphs.describe import describe
from medfl_sim.graphs.make import image_shape, make_graph
from medfl_sim.graphs.module_file import network_of
from medfl_sim.graphs.plan_section import put_in_plan
from medfl_sim.graphs.rewriting import product

SHAPE = (1, 16, 16)
AUTHOR = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.answer = nn.Linear(8, 2)

    def forward(self, x):
        return self.answer(self.look(x).mean((2, 3)))


class Chooses(Net):
    def forward(self, x):
        x = x if x.mean() > 0 else -x
        return super().forward(x)


class Spectrum(Net):
    def forward(self, x):
        x = torch.fft.fft2(x).abs()
        return super().forward(x)


class Writes(Net):
    def forward(self, x):
        x += 1
        return super().forward(x)


class Keeps(Net):
    def forward(self, x):
        self.answer.bias.data.copy_(x.mean().expand(2))
        return super().forward(x)


class Unseen(Net):
    def forward(self, x):
        with torch.no_grad():
            x = 2 * x
        return super().forward(x)


class Three(Net):
    def forward(self, x):
        return super().forward(x.reshape(3, 1, 16, 16))


class Two(Net):
    def forward(self, x):
        return super().forward(x), x


class Named(Net):
    def forward(self, x):
        return {"logits": super().forward(x)}


class Deep(Net):
    def forward(self, x):
        given = super().forward(x)
        return torch.stack([given, given], 1) if self.training else given


class Needs(Net):
    def __init__(self, n):
        super().__init__()


one = Net()
"""


@pytest.fixture
def author(tmp_path: Path) -> Path:
    """The author's file."""
    path = tmp_path / "my_net.py"
    path.write_text(AUTHOR)
    return path


REFUSED = {
    "Chooses": r"chooses its way by the values .*\(my_net.py, line 18: x = x if x.mean\(\) > 0",
    "Spectrum": r"uses aten.fft_fft2.default \(my_net.py, line 24: x = .*use convolutions",
    "Writes": r"writes into its image or a weight \(my_net.py, line 30: x \+= 1\)",
    "Keeps": "writes into a weight, or keeps a tensor from one batch to the next",
    "Unseen": r"uses wrap_with_set_grad_enabled.*use .detach\(\) in place of torch.no_grad",
    "Three": r"works for 3 images only.*write x.shape\[0\]",
    "Two": "gives 2 tensors, and a graph gives one",
    "Named": "gives its tensor inside a dict or a tuple.*return the tensor itself",
    "Deep": r"gives \(2, 2\) for an image in training, and \(2,\) in evaluation.*deep_supervision",
    "Needs": "cannot be made; it must need no arguments",
    "Nix": "has no Nix; it has Net, Chooses, .*, one",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_graph_cannot_say_is_told_with_the_authors_line(name: str, author: Path) -> None:
    with pytest.raises(ConfigError, match=f"(?s){REFUSED[name]}"):
        describe(network_of(f"{author}:{name}", 0, None), SHAPE)


def test_the_command_writes_the_same_two_files_again_and_names_them_in_the_plan(
    author: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(author.parent)
    plan = Path("plan.yaml")
    text = PLAN.replace("size: 24", "size: 16") + "# the end\n"
    plan.write_text(text.replace("norm: group}", "norm: group, dropout: 0.2}\n# of training"))
    words = ["graph", "my_net.py:Net", "--image", "1,16,16", "--plan", "plan.yaml"]

    done = CliRunner().invoke(app, words, catch_exceptions=False)
    first = Path("my_net.json").read_bytes(), Path("my_net.safetensors").read_bytes()
    again = CliRunner().invoke(app, [*words[:4], "--out", "again.json"], catch_exceptions=False)

    assert done.exit_code == again.exit_code == 0
    assert "1 batch norms are group norms now" in done.stdout
    assert "the graph gives the network's bits, in training and in evaluation" in done.stdout
    assert first == (Path("again.json").read_bytes(), Path("again.safetensors").read_bytes())
    assert json.loads(first[0])["output"] == [8]
    assert set(load_file("my_net.safetensors")) >= {"backbone.look.0.weight", "head.1.weight"}
    read = load_plan(plan).model
    assert (read.name, read.file, read.dropout) == ("graph", "my_net.json", 0.2)
    assert plan.read_text().endswith("# the end\n")
    assert "# of training\ntraining:" in plan.read_text()
    assert yaml.safe_load(again.stdout[again.stdout.index("model:") :])["model"]["name"] == "graph"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": {"size": 32}}, "images of 1 x 16 x 16, the plan's are 1 x 32 x 32"),
        ({"task": {"type": "segmentation"}}, "gives logits .2., which is no segmentation"),
        ({}, "gives 2 logits, the plan's task has 1"),
    ],
)
def test_a_plan_that_the_graph_does_not_go_with_stays_as_it_is(
    changed: dict[str, dict[str, object]], said: str, author: Path, make_plan: MakePlan,
    tmp_path: Path,
) -> None:  # fmt: skip
    plan = make_plan(**{"images": {"size": 16}, **changed})
    before = plan.read_bytes()
    files = make_graph(network_of(f"{author}:Net", 0, None), SHAPE, tmp_path / "n.json", whole=True)

    with pytest.raises(ConfigError, match=f"do not go together: .* {said}"):
        put_in_plan(plan, files)

    assert plan.read_bytes() == before


def test_weights_of_the_author_are_taken_and_never_written_over(author: Path) -> None:
    weights = author.with_suffix(".pt")
    state = network_of(f"{author}:one", 3, None).state_dict()
    torch.save(state, weights)
    author.with_suffix(".safetensors").write_bytes(b"mine")
    words = ["graph", f"{author}:Net", "--image", "1,16,16", "--weights", str(weights)]

    refused = CliRunner().invoke(app, [*words, "--out", str(author.with_suffix(".json"))])
    done = CliRunner().invoke(app, [*words, "--out", str(author.with_name("g.json"))])

    assert refused.exit_code == 1
    assert author.with_suffix(".safetensors").read_bytes() == b"mine"
    assert done.exit_code == 0, done.output
    taken = load_file(author.with_name("g.safetensors"))
    assert torch.equal(taken["head.1.weight"], state["answer.weight"])
    assert torch.equal(taken["backbone.look.1.weight"], state["look.1.weight"])


def test_a_head_is_cut_where_a_network_ends_with_one() -> None:
    maps = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1))
    wide = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1))
    whole = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))

    cut = [describe(one, SHAPE) for one in (maps, wide, whole)]
    cut.append(describe(whole, SHAPE, gives="logits"))

    facts = [json.loads(one.data) for one in cut]
    assert [one["gives"] for one in facts] == ["maps", "logits", "features", "logits"]
    assert [one["output"] for one in facts] == [[4, 16, 16], [2, 16, 16], [256], [2]]
    assert {*cut[0].weights} >= {"head.0.weight", "head.0.bias"}
    assert {*cut[3].weights} == {"backbone.1.weight", "backbone.1.bias"}


def test_numbers_that_no_image_changes_are_constants_of_the_graph() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.arange(16.0))
            self.scale = nn.Parameter(torch.ones(16))
            self.still = nn.Parameter(torch.full((16,), 2.0), requires_grad=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.zeros(16)
            mask[4:] = 3.0
            return (x.mean((1, 2)) * self.scale * self.still) + (mask * self.steps)

    described = describe(Masked(), SHAPE)

    said = json.loads(described.data)["tensors"]
    assert {*described.weights} == {"backbone.scale"}
    values = sorted(tuple(one["values"]) for one in said.values() if one["kind"] == "constant")
    assert values == [tuple(3.0 * i * (i >= 4) for i in range(16)), (2.0,) * 16]


def test_einsum_is_said_as_a_product_of_matrices_with_its_bits() -> None:
    a, b = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 6, 4)

    for equation, left, right in (
        ("bhxd,bhyd->bhxy", a, b),
        ("bhxd,bhyd->bxhy", a, b),
        ("bhxd,de->bhxe", a, torch.rand(4, 7)),
    ):
        made = product(equation, left, right)
        assert made is not None
        assert torch.equal(made, torch.einsum(equation, left, right))
    assert product("bhxd,bhxd->bh", a, a) is None  # of which ATen makes a sum
    assert product("bhxd,bhyd->bhx", a, b) is None


@pytest.mark.parametrize("shape", ["224,224", "1,0,3", "1,2,3,4,5", "1,a,2", "", "1,-2,3"])
def test_a_shape_is_channels_and_two_or_three_sides(shape: str) -> None:
    assert image_shape("1, 32,64,64") == (1, 32, 64, 64)
    with pytest.raises(ConfigError, match=r"no image's shape.*1,224,224"):
        image_shape(shape)
