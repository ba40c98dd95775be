"""Scanner shift: what a virtual hospital's scanner does to an image."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medfl_client.data.dataset import ImageSet
from medfl_client.task.site import Site
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import check
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scanner_shift import Shift, change
from medfl_sim.data.scenario import Scenario

NEUTRAL = {name: float(value) for name, value in Shift().model_dump(exclude={"sites"}).items()}


def changed(grey: list[float], **settings: float) -> NDArray[np.float32]:
    image = np.array(grey, np.float32).reshape(1, 1, 1, -1)
    return change(image, NEUTRAL | settings, np.random.default_rng(0)).ravel()


def test_each_change_gives_the_numbers_worked_out_by_hand() -> None:
    for settings, expected in (
        ({}, [0, 0.25, 0.5, 1]),
        ({"gain": 0.5}, [0, 0.125, 0.25, 0.5]),
        ({"offset": 0.25}, [0.25, 0.5, 0.75, 1]),
        ({"gamma": 2.0}, [0, 0.0625, 0.25, 1]),
        ({"window": 0.5}, [0, 0, 0.5, 1]),  # 0.25 to 0.75 becomes 0 to 1
        ({"window": 2.0}, [0.25, 0.375, 0.5, 0.75]),
        ({"inversion": 1.0}, [1, 0.75, 0.5, 0]),
        ({"gain": 2.0, "gamma": 2.0}, [0, 0.25, 1, 1]),  # the detector is full before gamma
    ):
        assert changed([0, 0.25, 0.5, 1], **settings) == pytest.approx(expected)
    coarse = change(
        np.array([[0, 1], [1, 0]], np.float32)[None, None], NEUTRAL | {"resolution": 0.5},
        np.random.default_rng(0),
    )  # fmt: skip
    assert coarse.ravel() == pytest.approx([0.5] * 4)


def test_blur_keeps_the_mean_and_noise_has_the_spread_asked_for() -> None:
    rng = np.random.default_rng(0)
    point = np.zeros((1, 1, 33, 33), np.float32)
    point[0, 0, 16, 16] = 1
    blurred = change(point, NEUTRAL | {"blur": 2.0}, rng)
    assert blurred.sum() == pytest.approx(1, abs=1e-3)
    assert blurred[0, 0, 16, 16] == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    noisy = change(np.full((1, 1, 200, 200), 0.5, np.float32), NEUTRAL | {"noise": 0.05}, rng)
    assert noisy.std() == pytest.approx(0.05, rel=0.02)


def test_only_the_named_site_is_changed_in_greys_and_in_nothing_else(
    hospitals: Path, plan: Plan
) -> None:
    plain = virtual_sites(hospitals, plan)
    shift = {"sites": ["site-2"], "inversion": True, "gain": [0.5, 0.9]}
    scenario = check(Scenario, {"shift": [shift]}, "the test")
    sites = virtual_sites(hospitals, plan, scenario)

    for name in plain:
        one, other = _train(plain[name], plan), _train(sites[name], plan)
        assert (one.targets == other.targets).all()
        grey, now = one.pixels[one.rows].astype(int), other.pixels[other.rows].astype(int)
        assert (grey == now).all() == (name != "site-2")
    again = _train(virtual_sites(hospitals, plan, scenario)["site-2"], plan)
    two = _train(sites["site-2"], plan)
    assert (again.pixels == two.pixels).all()
    before = _train(plain["site-2"], plan)
    black = before.pixels[before.rows] == 0
    assert (two.pixels[two.rows][black] == 255).all()
    gains = (255 - two.pixels[two.rows].astype(float))[~black] / before.pixels[before.rows][~black]
    assert 0.5 < np.median(gains) < 0.9
    assert gains[before.pixels[before.rows][~black] > 100].std() < 0.01
    for wrong in ([0.9, 0.5], [0.5], [0.5, 99]):
        with pytest.raises(ConfigError, match="gain"):
            check(Scenario, {"shift": [{"gain": wrong}]}, "the test")
    with pytest.raises(ConfigError, match="the shift names the site 'site-9'"):
        virtual_sites(
            hospitals, plan, check(Scenario, {"shift": [{"sites": ["site-9"]}]}, "the test")
        )


def _train(site: Site, plan: Plan) -> ImageSet:
    data = site.data(plan).train
    assert isinstance(data, ImageSet)
    return data
