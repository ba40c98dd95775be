"""Text that others wrote is text on the coordinator's pages."""

from pathlib import Path

from tests.conftest import MakePlan
from tests.consoles import what_is_unsound
from tests.unit.server.console.followed_studies import browser, enrolled, made, say_live

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_reasons_classes_and_what_hospitals_say_is_text(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    study = enrolled(make_plan, tmp_path / "study")
    made(study, 1, {"site-1": 0.7, "site-2": 0.8}, site_3=EVIL)
    say_live(study, EVIL, 2, 40.0, site_1="answered", site_2=EVIL)
    study.log.write("paused", round=1, by=EVIL, message=EVIL)
    person = browser(study.folder)
    person.post("/study/study/pause", reason=EVIL)

    paths = ["/", "/study/study/", "/study/study/roster", "/study/study/invitations"]
    pages = {path: person.get(path) for path in paths}
    pages["refused"] = person.post("/study/study/revoke", name=EVIL, typed=EVIL)
    pages["invited"] = person.post("/study/study/invite", name=EVIL, days=EVIL)

    for path, page in pages.items():
        assert not what_is_unsound(page), path
        assert "<script>alert" not in page.text, path
        assert "<img" not in page.text, path
    assert "&lt;script&gt;" in pages["/study/study/"].text
