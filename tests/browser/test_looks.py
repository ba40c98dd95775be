"""Every page of both consoles is sound in every look: light, dark, phone, print."""

from pathlib import Path

import pytest
from tests.browser.windows import Windows
from tests.conftest import MakePlan
from tests.open_consoles import Opened
from tests.unit.server.console.followed_studies import enrolled, made, say_live

from medfl_client.config.folder import SiteFolder

pytestmark = pytest.mark.browser


def test_the_coordinators_pages_are_sound(
    windows: Windows, tmp_path: Path, make_plan: MakePlan
) -> None:
    study = enrolled(make_plan, tmp_path / "study")
    for round_ in range(1, 6):
        made(study, round_, {"site-1": 0.7, "site-2": 0.8}, site_3="did not answer in time")
    say_live(study, "train", 6, 40.0, site_1="answered", site_2="asked", site_3="away")

    with Opened.of("server", study.folder, kept=study.folder) as opened:
        windows.assert_sound(opened.link("coordinator"), ["/", "/study/study/"])


def test_the_hospitals_pages_are_sound(windows: Windows, hospitals: Path) -> None:
    site = hospitals / "site-1"
    names = ("data", "work", "plan", "left", "client", "policy", "models", "incidents")
    pages = ["/", "/join/", "/study/_/", *(f"/study/_/{name}/" for name in names)]

    with Opened.of("client", site, kept=SiteFolder(site).state) as opened:
        windows.assert_sound(opened.link("data manager and security officer"), pages)
