"""Networks, losses and image steps that a plan brings as data: their files, known by their hash.

The plan names a file and its SHA-256. The content is looked up by the hash alone, so it does not
matter who brought it: the coordinator's folder, a message, or another process.
"""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.plan.settings import Matching, Settings

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

MOST_BYTES = 16_000_000  # of one file; a network of 1,300 operators takes 0.3 MB
MOST_HERE = 256_000_000  # of all that a process has
STATE = "state"  # of a site
FOLDER = "graphs"  # of a run, of a site's state and of a model: each file under its hash
Sha256 = Annotated[str, Matching(r"[0-9a-f]{64}", "the file's SHA-256, 64 hex digits")]

_HERE: dict[str, bytes] = {}  # what this process has, by SHA-256
_LOCK = threading.Lock()


class GraphFile(Settings):
    """A graph of tensor operators in a file: data, and never code."""

    file: str
    """The file that `medfl-sim graph` wrote, relative to the plan's file."""
    sha256: Sha256
    """The file's SHA-256, 64 hex digits."""

    def __str__(self) -> str:
        """Name it for people."""
        return brought_in_words(self.file, self.sha256)


class GraphLoss(Settings):
    """A loss as a graph of tensor operators: data, and never code."""

    graph: str
    """The file that `medfl-sim graph-loss` wrote, relative to the plan's file."""
    sha256: Sha256
    """The file's SHA-256, 64 hex digits."""

    def __str__(self) -> str:
        """Name it for people."""
        return brought_in_words(self.graph, self.sha256)


def brought_in_words(file: str, sha256: str) -> str:
    """Name what a plan brings as data: by its file, without folders, and its hash."""
    path = PurePath(file)
    which = f"{path.name}, SHA-256 {sha256}"
    return f"{path.stem}, which the plan brings as data, without code ({which})"


def graph_files(plan: "Plan") -> Iterator[GraphFile]:
    """List what a plan brings as data: its network, its loss, its image step."""
    if plan.model.file is not None and plan.model.sha256 is not None:
        yield GraphFile(file=plan.model.file, sha256=plan.model.sha256)
    if isinstance(plan.training.loss, GraphLoss):
        yield GraphFile(file=plan.training.loss.graph, sha256=plan.training.loss.sha256)
    if plan.images.graph is not None:
        yield plan.images.graph


def put(data: bytes) -> str:
    """Keep a file's content in this process, and give its SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    with _LOCK:
        _HERE.pop(sha256, None)
        _HERE[sha256] = data
        while sum(map(len, _HERE.values())) > MOST_HERE:
            _HERE.pop(next(iter(_HERE)))
    return sha256


def here() -> list[bytes]:
    """List what this process has, for another one."""
    with _LOCK:
        return [*_HERE.values()]


def content(sha256: str) -> bytes:
    """Give a file's content, or raise ConfigError where this process has none."""
    with _LOCK:
        found = _HERE.get(sha256)
    if found is None:
        raise ConfigError(
            f"the file with SHA-256 {sha256[:12]} that the plan names is not here",
            todo="put the file that medfl-sim graph wrote beside the plan; at a hospital it comes "
            "with the first task of medfl-client run",
        )
    return found


def missing(plan: "Plan") -> list[GraphFile]:
    """List the files of a plan that this process has not."""
    with _LOCK:
        return [one for one in graph_files(plan) if one.sha256 not in _HERE]


def take_kept(plan: "Plan", folder: Path) -> None:
    """Read what this process has not yet and a site's state keeps, by its hash alone.

    The name is the coordinator's word, and may be that of any file of the hospital.
    """
    for one in missing(plan):
        path = kept_as(folder / FOLDER, one.sha256)
        if path.is_file():
            _take(path, one)


def take(plan: "Plan", folder: Path) -> None:
    """Read what this process has not yet, where it may lie beside a plan's file.

    That is a file under the plan's name, or one under its hash in `graphs`: of this folder, of the
    one above, or of a site's state.

    Raises ConfigError where a file is another, or cannot be read.
    """
    for one in missing(plan):
        near = [kept_as(place, one.sha256) for place in places_by(folder)]
        found = next((path for path in [folder / one.file, *near] if path.is_file()), None)
        if found is not None:
            _take(found, one)


def places_by(folder: Path) -> list[Path]:
    """List where files may be kept by a folder that holds a plan's file."""
    return [folder.joinpath(*parts) for parts in ((FOLDER,), ("..", FOLDER), (STATE, FOLDER))]


def keep(plan: "Plan", folder: Path) -> None:
    """Write the plan's files into `graphs` of a folder; those that are there stay."""
    for one in graph_files(plan):
        path = kept_as(folder / FOLDER, one.sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(path, content(one.sha256))


def kept_as(folder: Path, sha256: str) -> Path:
    """Name the file that holds the content of a hash."""
    return folder / f"{sha256}.json"


def _take(path: Path, wanted: GraphFile) -> None:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(
                f"{path.resolve()} has more than {MOST_BYTES // 10**6} MB, and no graph needs that",
                todo="name the file that medfl-sim graph wrote",
            )
        data = path.read_bytes()
    except OSError:
        raise ConfigError(f"{path.resolve()} cannot be read", todo="see who may read it") from None
    seen = hashlib.sha256(data).hexdigest()
    if seen != wanted.sha256:
        raise ConfigError(
            f"{path.resolve()} has SHA-256 {seen}, the plan says {wanted.sha256}: it is another "
            "file, or was changed",
            todo="put the file of the plan there, or correct the plan",
        )
    put(data)
