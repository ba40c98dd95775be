"""medfl-server suggest-plan: one plan for all from bands, and a question where bands do not say."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tests.conftest import ROOT, MakePlan
from typer.testing import CliRunner

from medfl_common.metrics.site_statistics import (
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band,
    lengths,
    suppressed,
)
from medfl_common.models.dense._resolutions import resolutions
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.settings import loads
from medfl_common.plan.task import Task
from medfl_common.run.events import Asked, Statistics
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.cost import PROGRAM_BYTES, build_empty, training_bytes
from medfl_server.cli import app
from medfl_server.planning.draft import plan_text
from medfl_server.planning.suggestion import joined
from medfl_server.study.run_directory import Study, create_study

TASK: dict[str, object] = {"type": "segmentation", "classes": ["background", "liver"]}
VOLUMES = {
    "modality": ["CT"],
    "size": 64,
    "depth": 24,
    "dimensions": 3,
    "sample": "series",
}
CONFIGS = sorted(p for p in (ROOT / "configs").glob("*.yaml") if ".site." not in p.name)
MakeStudy = Callable[..., Study]


def site(
    n: int = 100,
    side: Sequence[float] = (512,),
    spacing: Sequence[float] = (0.7,),
    apart: Sequence[float] = (1.5,),
    min_cell: int = 1,
) -> SiteStatistics:
    """A hospital whose samples have these values, each as often, as its policy lets out."""

    def told(values: Sequence[float], bands: Sequence[float]) -> tuple[int, ...]:
        return band([values[i * len(values) // n] for i in range(n)], bands)

    lists = {name: (0,) * k for name, k in lengths(2).items()}
    lists |= {
        "sides": told(side, SIDES),
        "spacings": told(spacing, SPACINGS),
        "slices": told(apart, SLICES),
    }
    counts = SiteStatistics(n, n, 0, **lists)
    return suppressed(counts, min_cell, plan_task())


def plan_task() -> Task:
    return Task(type="segmentation", classes=["background", "liver"])


@pytest.fixture
def make_study(make_plan: MakePlan, tmp_path: Path) -> MakeStudy:
    """Give a function that makes a study whose hospitals told so much."""

    def make(
        *sites: SiteStatistics, name: str = "study", images: object = VOLUMES, **changed: object
    ) -> Study:
        sections = {
            "task": TASK,
            "images": images,
            "model": {"name": "unet", "norm": "own"},
            "federation": {"statistics": True},
            **changed,
        }
        study = create_study(tmp_path / name, make_plan(f"{name}.yaml", **sections))
        replies = {
            f"site-{i}": SiteReply.of_statistics(counts, 1, 1) for i, counts in enumerate(sites)
        }
        if sites:
            study.log.add(Statistics(Asked.of_replies(0, None, replies, {}).facts))
        return study

    return make


def ask(study: Study, *options: object) -> str:
    done = CliRunner().invoke(app, ["suggest-plan", str(study.folder), *map(str, options)])
    return done.output


def suggested(study: Study, *options: object) -> Plan:
    return loads(Plan, ask(study, *options), "the suggested plan")


def test_the_median_is_that_of_all_samples_wherever_they_are(make_study: MakeStudy) -> None:
    few_coarse, many_fine = site(20, spacing=[2.0]), site(100, spacing=[0.5])

    plan = suggested(make_study(few_coarse, many_fine), "--depth-mm", 300)

    assert plan.images.spacing_mm == 0.57  # the root of 0.4 x 0.8
    assert plan.images.slice_mm == 1.4  # of 1 x 2; not three times the pixels' spacing
    assert plan.images.depth == 215  # 300 / 1.4, rounded up
    assert plan.task.classes == ["background", "liver"]
    assert plan.training.lr == 0.01


def test_thick_slices_take_the_10th_percentile(make_study: MakeStudy) -> None:
    some_thinner = site(100, apart=[3.0, *[5.0] * 4])  # 20 % in 2 to 4 mm

    plan = suggested(make_study(some_thinner), "--depth-mm", 300)

    assert plan.images.slice_mm == 2.8


@pytest.mark.parametrize("memory_gb", [3, 24])
@pytest.mark.parametrize(
    ("sites", "options"),
    [
        ([site()], ["--depth-mm", 300]),
        (
            [site(), site(40, spacing=[0.9])],
            ["--depth-mm", 900, "--width-mm", 420, "--slice-mm", 2],
        ),
        ([site(apart=[6.0])], ["--depth-mm", 350]),
        ([site(side=[50], spacing=[1.0])], ["--depth-mm", 60, "--width-mm", 57]),
    ],
)
def test_the_network_of_the_plan_builds_and_a_step_has_room(
    sites: list[SiteStatistics], options: list[object], memory_gb: int, make_study: MakeStudy
) -> None:
    plan = suggested(make_study(*sites), *options, "--memory-gb", memory_gb)

    assert PROGRAM_BYTES + training_bytes(plan) <= memory_gb * 1e9
    assert plan.training.batch_size >= 2
    network = build_empty(plan).eval()
    shape = (1, plan.images.channels, *plan.images.window)
    assert network(torch.empty(shape, device="meta")).shape == (1, 2, *plan.images.window)
    levels = resolutions(plan.images, plan.model)
    assert 8 <= -(-plan.images.window[-1] // 2 ** (len(levels) - 1)) <= 15
    if plan.images.patch is not None:
        halvings = sum(level.stride[0] == 2 for level in levels)
        assert plan.images.patch.depth % 2**halvings == 0
        assert plan.images.patch.size % 2 ** (len(levels) - 1) == 0


def test_small_volumes_are_seen_whole_and_large_ones_in_patches(make_study: MakeStudy) -> None:
    small = make_study(site(side=[50], spacing=[1.0]), name="small")
    given = ["--spacing-mm", 1, "--slice-mm", 1, "--width-mm", 50, "--depth-mm", 45]
    whole = suggested(small, *given)
    patches = suggested(make_study(site()), "--depth-mm", 300)

    assert (whole.images.patch, whole.images.size, whole.images.depth) == (None, 56, 45)
    assert whole.training.batch_size == 5  # 5 % of 100
    assert patches.images.patch is not None
    assert patches.images.size > patches.images.patch.size
    assert patches.training.batch_size == 2


def test_more_memory_is_a_larger_patch(make_study: MakeStudy) -> None:
    study = make_study(site())

    patches = [suggested(study, "--depth-mm", 300, "--memory-gb", n).images.window for n in (4, 16)]

    assert patches[0] < patches[1]


def test_what_bands_do_not_say_is_asked_in_one_message(make_study: MakeStudy) -> None:
    said = ask(make_study(site(side=[50], spacing=[5.0], apart=[0.5])))

    assert "--spacing-mm" in said
    assert "the median pixel spacing is 3.2 mm and more, a band too wide for a number" in said
    assert "--slice-mm" in said
    assert "hospitals do not tell how many slices a volume has" in said
    assert "nothing was written" in said


def test_a_volume_that_no_plan_holds_is_not_cut_in_silence(make_study: MakeStudy) -> None:
    said = " ".join(ask(make_study(site()), "--depth-mm", 900).split())

    assert "643 slices at this spacing, a plan 512 at the most" in said


def test_counts_that_are_held_back_decide_nothing(make_study: MakeStudy) -> None:
    mixed = site(30, spacing=[0.3] * 9 + [0.5] * 5 + [0.9] * 6 + [2.0] * 10)
    hidden = site(30, spacing=[0.3] * 9 + [0.5] * 5 + [0.9] * 6 + [2.0] * 10, min_cell=10)
    rare = site(100, spacing=[0.3] * 15 + [0.5] * 32 + [2.0] * 3, min_cell=10)

    assert "spacing_mm: " in ask(make_study(mixed, name="a"), "--depth-mm", 300)
    thick = site(100, apart=[1.5] * 5 + [3.0] * 12 + [5.0] * 83, min_cell=10)
    said = " ".join(ask(make_study(hidden, name="b"), "--depth-mm", 300).split())
    assert re.search(r"lies between the bands .* are held back", said)
    assert suggested(make_study(rare, name="c"), "--depth-mm", 300).images.spacing_mm == 0.57
    said = " ".join(ask(make_study(thick, name="d"), "--depth-mm", 300).split())
    assert "--slice-mm" in said
    assert "the 10th percentile of the slice thickness lies between" in said


def test_the_same_statistics_give_the_same_text_in_any_order(make_study: MakeStudy) -> None:
    one, other = make_study(site(), name="one"), make_study(site(), name="other")

    assert ask(one, "--depth-mm", 300) == ask(other, "--depth-mm", 300)


def test_pictures_without_spacing_are_fitted(make_study: MakeStudy) -> None:
    pictures = {"modality": ["DX"], "size": 64}
    study = make_study(site(side=[2500], spacing=[0.0]), images=pictures)

    plan = suggested(study)

    assert (plan.images.spacing_mm, plan.images.patch) == (None, None)
    assert 512 < plan.images.size <= 2048
    assert PROGRAM_BYTES + training_bytes(plan) <= 8e9


def test_volumes_with_labels_are_coarsened_until_they_fit(make_study: MakeStudy) -> None:
    study = make_study(
        site(),
        task={"type": "binary", "classes": ["normal", "opacity"]},
        model={"name": "small_cnn", "norm": "group"},
    )

    plan = suggested(study, "--depth-mm", 300, "--width-mm", 400, "--memory-gb", 4)

    images = plan.images
    assert images.spacing_mm is not None
    assert images.spacing_mm > 0.57
    assert images.size * images.spacing_mm == pytest.approx(400, rel=0.03)
    assert PROGRAM_BYTES + training_bytes(plan) <= 4e9


def test_the_width_that_the_plan_says_stays(make_study: MakeStudy) -> None:
    kept = suggested(make_study(site(), model={"name": "unet", "width": 24}), "--depth-mm", 300)

    assert kept.model.width == 24


def test_an_encoder_that_takes_no_volumes_is_told_so(make_study: MakeStudy) -> None:
    study = make_study(site(), model={"name": "unet", "encoder": "resnet18"})

    assert "resnet18 does not fit images.dimensions: 3" in ask(study, "--depth-mm", 300)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda path: path.stem)
def test_what_is_not_suggested_stays_as_the_study_has_it(file: Path) -> None:
    plan = load_plan(file)

    assert loads(Plan, plan_text(joined(plan, {}), ""), "it").hash() == plan.hash()


def test_no_file_is_overwritten_and_init_takes_what_is_written(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study, out = make_study(site()), tmp_path / "next.yaml"

    said = ask(study, "--depth-mm", 300, "--out", out)
    again = ask(study, "--depth-mm", 200, "--out", out)

    assert "next: medfl-server init" in said
    assert "is there already" in again
    assert create_study(tmp_path / "next", out).plan == load_plan(out)


def test_without_statistics_it_says_what_is_needed(make_study: MakeStudy) -> None:
    asked = make_study(name="asked")
    not_asked = make_study(name="not-asked", federation={"statistics": False})
    pictures = make_study(
        site(),
        name="pictures",
        task={"type": "binary", "classes": ["normal", "opacity"]},
        images={"size": 64},
        model={"name": "small_cnn"},
    )

    assert "asks for them before the first round" in " ".join(ask(asked).split())
    assert "federation.statistics: true" in " ".join(ask(not_asked).split())
    assert "medfl-server plan --from STUDY" in " ".join(ask(pictures).split())
