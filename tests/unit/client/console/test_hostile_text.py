"""Text that others wrote is text on the hospital's pages."""

from pathlib import Path

from tests.unit.client.console.people import People

from medfl_client.config.folder import StateFolder
from medfl_client.console.roles import BOTH
from medfl_client.egress import ledger

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_incidents_answers_and_names_are_text(hospitals: Path) -> None:
    site = hospitals / "site-1"
    state = StateFolder.of(site)
    state.path.mkdir(exist_ok=True)
    ledger.append(state.incidents, {"incident": 1, "error": f"line\n{EVIL}"})
    ledger.append(state.ledger, {"kind": EVIL, "round": 1, "bytes": 9, "decision": EVIL})
    people = People(site)
    try:
        person = people.person(BOTH, EVIL)
        names = ("", "data/", "plan/", "left/", "client/", "policy/", "incidents/")
        pages = ["/", "/join/", *(f"/study/_/{name}" for name in names)]
        shown = {path: person.reads(path) for path in pages}
        shown["withdraw"] = person.browser.post("/study/_/withdraw", typed=EVIL).text
        shown["approve"] = person.browser.post("/study/_/approve", typed=EVIL, hash=EVIL).text
    finally:
        people.close()

    for path, text in shown.items():
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    assert "&lt;script&gt;alert(1)" in shown["/study/_/incidents/"].partition("<main")[2]
