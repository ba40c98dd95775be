"""Windows of a real chromium: what its console says, how a page looks to axe, to a keyboard.

`assert_sound(link, paths)` is the one line that a console's pages need.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WAIT_MS = 30_000.0  # on a machine with much to do


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    width: int = 1280
    height: int = 900
    scheme: str = "light"
    media: str = "screen"


LOOKS = {
    "light": Look(),
    "dark": Look(scheme="dark"),
    "phone": Look(390, 844),
    "dark phone": Look(390, 844, "dark"),
    "print": Look(media="print"),
}
# The names of what Tab reaches, as a screen reader says them.
FOCUSED = """() => {
  const one = document.activeElement;
  const text = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent;
  return (text || one.name || one.id || one.tagName).trim().replace(/\\s+/g, ' ');
}"""
IS_SEEN = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
}"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
  .filter(one => one.type !== 'hidden' && one.getClientRects().length)
  .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
  .filter(([_, box]) => box.height < 24 || box.width < 24).map(([text]) => text)"""


class Window:
    """One page in one look, and all that the browser's console says of it."""

    def __init__(self, page: "Page", look: Look) -> None:
        self.page, self.look = page, look
        self.said: list[str] = []
        self.status = 0  # of the answer that is shown
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def go(self, url: str) -> None:
        """Open an address here; what the console said of the page before is forgotten."""
        self.said.clear()
        answer = self.page.goto(url)
        self.status = answer.status if answer else 0

    def axe(self) -> list[str]:
        """List what axe finds: rule, how bad, and where."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:200]}"
            for one in found
            for node in one["nodes"]
        ]

    def faults(self) -> list[str]:
        """List all that is wrong with the page as it is seen."""
        of_status = "error: Failed to load resource" if self.status >= 400 else "\0"
        found = [one for one in self.said if not one.startswith(of_status)] + self.axe()
        n_over = self.page.evaluate(SIDEWAYS)
        if n_over > 0 and self.look.media == "screen":
            found.append(f"scrolls sideways by {n_over} px")
        if self.page.locator("h1").count() != 1:
            found.append("has not one h1")
        if not self.page.title():
            found.append("has no title")
        return found + [
            f"is too small to press: {one}" for one in self.page.evaluate(SMALL_TARGETS)
        ]

    def tab_to(self, name: str, most: int = 100) -> None:
        """Press Tab until something of this name has the focus, which must be seen."""
        passed = []
        for _ in range(most):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(FOCUSED)
            if name in focused:
                assert self.page.evaluate(IS_SEEN), f"the focus on {name} is not seen"
                return
            passed.append(focused)
        raise AssertionError(f"Tab does not reach {name!r}, but {passed}")

    def fill(self, name: str, text: str) -> None:
        """Type into a field, by the keyboard alone."""
        self.tab_to(name)
        self.page.keyboard.type(text)

    def press(self, name: str) -> None:
        """Press a button or follow a link, by the keyboard alone, and wait for the next page."""
        self.tab_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def main(self) -> str:
        """Give the page's text, without head and foot."""
        return self.page.locator("main").inner_text()


class Windows:
    """All windows of a test; they share what one person has signed in to."""

    def __init__(self, chromium: "Browser") -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self._state: Any = None

    def open(
        self, url: str, look: str = "light", has_scripts: bool = True, is_known: bool = True
    ) -> Window:
        """Open a page, as the person who has entered, or as nobody."""
        how = LOOKS[look]
        context = self._chromium.new_context(
            viewport={"width": how.width, "height": how.height},
            color_scheme=how.scheme,  # type: ignore[arg-type]
            java_script_enabled=has_scripts,
            ignore_https_errors=True,
            storage_state=self._state if is_known else None,
        )
        self._contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        window = Window(context.new_page(), how)
        window.page.emulate_media(media=how.media)  # type: ignore[arg-type]
        window.go(url)
        return window

    def enter(self, link: str, look: str = "light") -> Window:
        """Follow a person's link; windows that open from now on are theirs."""
        window = self.open(link, look, is_known=False)
        self._state = window.page.context.storage_state()
        return window

    def assert_sound(self, link: str, paths: Sequence[str], looks: Iterable[str] = LOOKS) -> None:
        """Look at pages in every look: no word of the console, nothing that axe finds."""
        address = link.partition("/enter")[0]
        self.enter(link)
        found = []
        for look in looks:
            window = self.open(f"{address}/", look)
            for path in paths:
                window.go(f"{address}{path}")
                found += [f"{path}, {look}: {fault}" for fault in window.faults()]
            window.page.context.close()
        assert not found, "\n".join(found)

    def close(self) -> None:
        """Close them all."""
        for context in self._contexts:
            context.close()
