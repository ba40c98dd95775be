"""A change of the plan in a process of its own: its check needs torch, and a console has none."""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from medfl_common.errors import MedflError, RunError


def amend_apart(folder: Path, settings: Mapping[str, Any], by: str, seen: str) -> list[str]:
    """Do as `medfl-server amend` does, for `by`; gives the lines to show, raises RunError.

    `seen` is the hash of the plan that the person saw; another by now is refused.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as apart:
        said, todo, data = apart.submit(_amend, folder, dict(settings), by, seen).result()
    if isinstance(said, str):
        raise RunError(said, todo=todo, data=data)
    return said


def _amend(
    folder: Path, settings: dict[str, Any], by: str, seen: str
) -> tuple[list[str] | str, str, str]:
    from medfl_server.steering.course import amend

    try:
        return amend(folder, settings, by, seen), "", ""
    except MedflError as error:  # one of these does not survive the way between processes
        return error.what, error.todo, error.data
