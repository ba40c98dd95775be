"""Work that a console has under way: a process each, followed as it goes, asked and answered."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfl_client.console.hands import Hands
from medfl_common.console.offered import UnknownEndError
from medfl_common.errors import MedflError, RunError

MOST_WORDS = 300  # lines and tables that are kept
SETTLE_S = 3.0  # until a page shows the next question, or that it takes longer
SHORT_S = 180.0  # for work that a person waits for at a button


class Work:
    """One piece of work, from its beginning on.

    Args:
        what: A name in `tasks.TASKS`.
        folder: The site's directory.
        by: Who asked for it, in words for a record.
        more: What else the task needs to know; it is on no command line.
        hands: Gives the process.
    """

    def __init__(
        self, what: str, folder: Path, by: str, more: Mapping[str, Any], hands: Hands
    ) -> None:
        self.what, self.folder, self.by, self.began = what, folder, by, time.time()
        self.words: list[Mapping[str, Any]] = []  # what it said
        self.part: Mapping[str, Any] | None = None  # how far it is
        self.question: Mapping[str, Any] | None = None
        self._n_asked = 0
        self.end: Mapping[str, Any] | None = None
        self.failed: MedflError | None = None
        self.version = 0
        self._is_over = threading.Event()
        self._turn, self._is_given_back = threading.Lock(), False
        self._hands, self._process = hands, hands.take()
        self._send({"what": what, "folder": str(folder), "by": by, **more})
        threading.Thread(target=self._follow, name=f"work {what}", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Say whether it has ended."""
        return self._is_over.is_set()

    def wait(self, timeout_s: float = SHORT_S) -> Mapping[str, Any]:
        """Give what it ended with; raises its MedflError, or UnknownEndError after this time."""
        if not self._is_over.wait(timeout_s):
            raise UnknownEndError(
                f"{self.what} takes longer than {timeout_s:.0f} s, and may still end well",
                todo="look again in a while, before you do it once more",
            )
        if self.failed is not None:
            raise self.failed
        return self.end or {}

    def answer(self, n: int, text: str) -> None:
        """Answer the question of this number; raises RunError where it is another's turn."""
        if self.question is None or n != self.question["n"] or self.is_over:
            raise RunError("this question is answered already", todo="see what is asked now")
        self.words.append({"line": f"{self.question['question']}: {text}", "is_answer": True})
        self.question = None
        self.version += 1
        self._send({"answer": text})

    def settle(self, timeout_s: float = SETTLE_S) -> None:
        """Wait until it asks or has ended, but no longer than a person likes to wait."""
        ends = time.monotonic() + timeout_s
        while self.question is None and not self.is_over and time.monotonic() < ends:
            self._is_over.wait(0.05)

    def stop(self) -> None:
        """End it; what it has written is whole. Once it is over, others have the process."""
        with self._turn:
            if not self._is_given_back:
                self._process.terminate()

    def _send(self, facts: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(facts) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says so

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._take(json.loads(line))
            if self.end is not None or self.failed is not None:
                with self._turn:
                    self._is_given_back = True
                self._hands.give_back(self._process)
                break
            self.version += 1
        else:
            status = self._process.wait()
            self.failed = RunError(f"{self.what} was ended (status {status})", todo="do it again")
        self.part = self.question = None
        self._is_over.set()
        self.version += 1

    def _take(self, said: Mapping[str, Any]) -> None:
        if "end" in said:
            self.end = said["end"]
        elif "failed" in said:
            self.failed = RunError(**said["failed"])
        elif "question" in said:
            self._n_asked += 1
            self.question, self.part = {**said, "n": self._n_asked}, None
        elif "work" in said:
            self.part = said
        else:
            self.words = [*self.words, said][-MOST_WORDS:]


class Works:
    """All work of a console; of long work one piece at a time in a directory."""

    def __init__(self) -> None:
        self.hands = Hands()
        self._of: dict[Path, Work] = {}
        self._lock = threading.Lock()

    def begin(self, what: str, folder: Path, by: str, more: Mapping[str, Any]) -> Work:
        """Begin long work; raises RunError where some is under way."""
        with self._lock:
            before = self._of.get(folder)
            if before is not None and not before.is_over:
                raise RunError(
                    f"{before.by} has begun {before.what}, and it is not over",
                    todo="wait for its end, or stop it",
                )
            self._of[folder] = Work(what, folder, by, more, self.hands)
            return self._of[folder]

    def newest(self, folder: Path) -> Work | None:
        """Give the long work that was begun last."""
        return self._of.get(folder)

    def do(self, what: str, folder: Path, by: str = "", **more: Any) -> Mapping[str, Any]:
        """Do short work, and give what it ended with; raises its MedflError."""
        return Work(what, folder, by, more, self.hands).wait()

    def close(self) -> None:
        """End what is under way."""
        self.hands.close()
        for work in self._of.values():
            if not work.is_over:
                work.stop()
