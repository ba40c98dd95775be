"""A hospital's console without a browser, and people who come in to it."""

import html
import re
from pathlib import Path
from typing import Any

import yaml
from tests.consoles import Browser, what_is_unsound

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.console.room import Room, build
from medfl_client.egress import ledger
from medfl_common.chain import read_lines
from medfl_common.console.doors import Doors


class People:
    """People at the console of one site directory.

    Args:
        folder: The site's directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.doors = folder, Doors()
        self.room: Room = build(folder, self.doors)

    def person(self, role: str, who: str = "Nora", how: str = "password") -> "Person":
        browser = Browser(self.room.console)
        browser.key = self.doors.admit(who, role, how)
        return Person(browser)

    def actions(self) -> list[dict[str, Any]]:
        return [*read_lines(self.room.folder.actions)]

    def close(self) -> None:
        self.room.works.close()


class Person:
    """Somebody who is in."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def reads(self, path: str) -> str:
        """Give the status and the text of a page, which must be sound."""
        answer = self.browser.get(path)
        is_file = not answer.text.startswith("<!doctype html>") or 'id="voice"' not in answer.text
        assert is_file or not what_is_unsound(answer)
        return f"{answer.status_code}\n{answer.text}"

    def does(self, path: str, **form: str) -> tuple[int, str]:
        """Send a form; give the status and the answer's text without marks."""
        answer = self.browser.post(path, **form)
        text = re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2].partition(">")[2])
        return answer.status_code, html.unescape(" ".join(text.split()))


def set_policy(folder: Path, **values: object) -> None:
    """Change the policy in a site file."""
    path = folder / "site.yaml"
    facts = yaml.safe_load(path.read_text())
    facts["policy"] = {**facts.get("policy", {}), **values}
    path.write_text(yaml.safe_dump(facts))
    load_site_file(folder)


def records(folder: Path) -> list[dict[str, Any]]:
    """Give the approvals' lines."""
    return [*ledger.read_lines(StateFolder.of(folder).approvals)]
