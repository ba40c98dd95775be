"""A small console: one page with parts, one form with every field, one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfl_common.console.actions import note_in
from medfl_common.console.app import Console
from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.live import Live
from medfl_common.console.offered import Action, Args, Done, Download, Page
from medfl_common.errors import ConfigError

ROLES = ("viewer", "coordinator")
PAGE = """\
{% extends "base.html.j2" %}
{% block main %}
<h1>{{ study }}</h1>
<div id="answer">{{ parts.answer }}</div>
<p id="fresh">This page follows by itself.</p>
{% if "pause" in may %}
<form class="box" method="post" action="/pause">
<input type="hidden" name="csrf" value="{{ csrf }}">
<label>Reason <input name="reason"></label>
<button>Pause</button>
</form>
{% endif %}
{% endblock %}
"""
PART = '<p class="answer"><strong>{{ said }}</strong></p>'


class Small:
    """The console, what it follows, and what was done by it."""

    def __init__(self, folder: Path, doors: Doors | None = None, study: str = "small") -> None:
        templates = folder / "templates"
        templates.mkdir(exist_ok=True)
        (templates / "page.html.j2").write_text(PAGE)
        (templates / "part.html.j2").write_text(PART)
        self.study, self.followed = study, folder / "followed"
        self.followed.write_text("nothing yet")
        self.folder, self.done = ConsoleFolder(folder), list[str]()
        self.live = Live(lambda: self.followed.stat().st_mtime_ns, self._parts)
        self.console = Console(
            "Small", templates,
            [Page("/", "page.html.j2", self._view, lambda args: self.live)],
            [Action("/pause", "pause", self._pause, ["coordinator"], lambda args: "/")],
            note_in(self.folder.actions), doors or Doors(),
            [Download("/report", _report, is_shown=True), Download("/kept", _report, roles=["x"])],
        )  # fmt: skip

    def _view(self, args: Args, visitor: Visitor) -> Mapping[str, Any]:
        return {"study": self.study}

    def _parts(self) -> Mapping[str, str]:
        return {"answer": self.console.render("part.html.j2", said=self.followed.read_text())}

    def _pause(self, args: Args, form: Args, visitor: Visitor) -> Done:
        if form.get("reason") == "bad":
            raise ConfigError("the study has ended", todo="start another")
        if form.get("reason") == "strange":
            raise ZeroDivisionError
        self.done.append(form.get("reason", ""))
        return Done(f"The study pauses: {form.get('reason', '')}")


def _report(args: Args, visitor: Visitor) -> tuple[bytes, str, str]:
    return b"<style>p {color: red}</style><p>Report</p>", "text/html; charset=utf-8", "report.html"
