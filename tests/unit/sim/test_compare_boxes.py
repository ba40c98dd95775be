import numpy as np
import pytest
from tests.boxes import box_plan, drawn_boxes

from medfl_client.training.box_scores import as_found
from medfl_common.errors import ConfigError
from medfl_common.metrics.box_counts import count_found
from medfl_common.metrics.box_estimates import box_scores
from medfl_sim.runs.compare_boxes import ByImage, box_row
from medfl_sim.runs.compare_page import answer
from medfl_sim.sweeps.sweep import refuse_masks


def test_the_froc_by_image_is_that_of_the_counts() -> None:
    found = drawn_boxes(40)
    found.truths[3, 1] = -1

    own = ByImage.of_found(found)
    halves = [ByImage(own.boxes[part], own.truths[part]) for part in (slice(15), slice(15, None))]

    assert own.froc() == pytest.approx(box_scores(count_found(found, 0.0))["froc"])
    assert ByImage.joined(halves).froc() == own.froc()
    twice = np.full(40, 2)
    assert own.froc(twice) == pytest.approx(own.froc())
    draws = np.random.default_rng(0).integers(0, 3, (4, 40))
    again = [own_draw(own, np.repeat(np.arange(40), draw)) for draw in draws]
    assert own.frocs(draws) == again


def own_draw(own: ByImage, images: np.ndarray) -> float | None:
    """Put images side by side, one as often as it is drawn."""
    return ByImage(own.boxes[images], own.truths[images]).froc()


def test_joining_helped_where_a_model_finds_more_on_the_same_images() -> None:
    good, bad = (ByImage.of_found(drawn_boxes(80, 3, skill)) for skill in (0.9, 0.4))

    row = box_row("north", 100, [good, bad, good], np.arange(80))

    assert (row.helped.verdict, row.to_pooled.verdict) == ("helped", "no clear difference")
    assert row.score == "FROC"
    assert f"the FROC is {good.froc():.2f} federated" in answer([row], row)
    few = box_row("north", 100, [good, bad, good], np.arange(80) // 10)
    assert few.helped.low is None  # 8 patients with 10 images each


def test_without_a_true_box_the_difference_is_undefined() -> None:
    none = ByImage.of_found(as_found([], [np.zeros(2)] * 8, box_plan()))

    row = box_row("north", 100, [none, none, none], np.arange(8))

    assert none.froc() is None
    assert row.helped.value is None


def test_a_sweep_over_a_detection_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ConfigError, match="a detection has none") as caught:
        refuse_masks(box_plan())

    assert "FROC" in str(caught.value)
