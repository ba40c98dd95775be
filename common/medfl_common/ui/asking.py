"""Questions of a command, with what is proposed and why; a person answers, or `--yes` does.

Whatever is taken without a question is on the screen, with its reason.
"""

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from medfl_common.errors import ConfigError, MedflError
from medfl_common.files import write_atomic
from medfl_common.ui.screen import lines_of
from medfl_common.ui.told import Follows
from medfl_common.visible import visible

Prompt = Callable[[str, str], str]  # a question and what is proposed; gives what was typed
Answer = TypeVar("Answer")
YES, NO = ("yes", "y"), ("no", "n")


class Asking:
    """Asks a person, or takes what is proposed.

    Args:
        screen: Shows reasons, and what is taken unasked.
        prompt: Asks a person; None: everything proposed is taken.
    """

    def __init__(self, screen: Follows, prompt: Prompt | None) -> None:
        self.screen, self._prompt = screen, prompt

    @property
    def is_answered(self) -> bool:
        """Say whether there is a person who answers."""
        return self._prompt is not None

    def ask(
        self,
        question: str,
        proposed: str,
        why: str = "",
        read: Callable[[str], Answer] = str,  # type: ignore[assignment]
    ) -> Answer:
        """Ask until `read` takes the answer.

        Raises what `read` raises where nobody can answer again, and ConfigError where nothing is
        proposed.
        """
        if self._prompt is None:
            if not proposed:
                raise ConfigError(
                    f"nothing says: {question}", todo="answer in a terminal, without --yes"
                )
            self.screen.say(f"{question}: {proposed}{f' ({why})' if why else ''}")
            return read(proposed)
        if why:
            self.screen.say(why)
        while True:
            try:
                return read(self._prompt(question, proposed).strip())
            except MedflError as error:
                for line in lines_of(error):
                    self.screen.say(line)

    def agree(self, question: str, proposed: bool = True, why: str = "") -> bool:
        """Ask for yes or no."""
        return self.ask(f"{question} (yes, no)", YES[0] if proposed else NO[0], why, _yes_or_no)


def person(is_silent: bool, command: str, prompt: Prompt) -> Prompt | None:
    """Give who answers: None with `--yes`; raises ConfigError where there is no terminal."""
    if is_silent:
        return None
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{command} asks questions, and here is no terminal to answer them",
            todo="run it in a terminal, or add --yes to take what it proposes",
            data="nothing was written",
        )
    return prompt


def typed(question: str, proposed: str) -> str:
    """Ask a person in the terminal; whatever a file put into the question steers no terminal."""
    import typer

    shown = visible(f"{question} [{proposed}]" if proposed else question)
    return str(typer.prompt(shown, default=proposed, show_default=False))


def confirmed(question: str) -> bool:
    """Ask a person for a yes; raises ConfigError where the input ends and no terminal answers."""
    import typer

    try:
        return typer.confirm(question)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
    raise ConfigError(
        "here is no terminal to answer that question",
        todo="run it in a terminal, or add --yes if the answer is yes",
        data="nothing was changed",
    )


def write_shown(path: Path, text: str, asking: Asking) -> bool:
    """Show a file, or how it differs from the one that is there, and write it if that is wanted.

    Returns whether the file now holds the text.
    """
    screen = asking.screen
    before = path.read_text(encoding="utf-8-sig") if path.exists() else None
    if before == text:
        screen.say(f"{path} says this already, and stays as it is")
        return True
    if before is None:
        screen.say(f"{path}:\n{text}")
    else:
        lines = difflib.unified_diff(
            before.splitlines(), text.splitlines(), f"{path} as it is", f"{path} as answered",
            lineterm="",
        )  # fmt: skip
        screen.say(f"{path} is there. The difference:\n" + "\n".join(lines))
    if not asking.agree(f"Write {path}"):
        screen.say("not written; nothing was changed")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())
    screen.say(f"wrote {path}")
    return True


def _yes_or_no(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise ConfigError(f"{text!r} is neither yes nor no", todo="write yes or no")
    return text.lower() in YES
