"""A chromium of this machine, for tests that look at pages; without one they are skipped."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.windows import Windows

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMED = os.environ.get("MEDFL_CHROMIUM", "")
CHROMIUM = Path(NAMED or "/usr/bin/chromium")


@pytest.fixture(scope="module")  # playwright's loop must not be in the way of other files' asyncio
def chromium() -> Iterator["Browser"]:
    """The browser itself, started once for a file."""
    if not CHROMIUM.exists():
        assert not NAMED, f"MEDFL_CHROMIUM names {NAMED}, and it is not there"
        pytest.skip(f"there is no {CHROMIUM} on this machine (MEDFL_CHROMIUM names another)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"], timeout=120_000
        )
        yield browser
        browser.close()


@pytest.fixture
def windows(chromium: "Browser") -> Iterator[Windows]:
    """The windows of one test."""
    opened = Windows(chromium)
    yield opened
    opened.close()
