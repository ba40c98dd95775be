"""`medfl-client predict` of a segmentation model: mask files, and a CSV of volumes."""

import csv
import os
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import torch

from medfl_client.config.outline_folder import OutlineFolder
from medfl_client.config.site_file import DataFiles
from medfl_client.data.masks.author import Author
from medfl_client.data.masks.write_work import EXTENSIONS, Kind, Written
from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_client.data.unindexed import decode
from medfl_client.model_use.outlines import outlines, refuse_missing
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import WEIGHTS
from medfl_common.ui.screen import Screen
from medfl_common.ui.spreadsheet import csv_text

WHOLE = 0.999  # from this part on the plan's grid reaches all of an image
AT_ONCE = 8  # sources that are decoded, and then outlined
REPORT = "_sr.dcm"  # after the number of a DICOM SEG: its report
NUMBERED = re.compile(rf"\d{{4,}}({'|'.join(map(re.escape, (*EXTENSIONS.values(), REPORT)))})")


def mask_kind(kind: str | None) -> Kind:
    """Give the kind of mask files that --as names; raise ConfigError for another."""
    found = next((one for one in EXTENSIONS if one == (kind or "dicom-seg")), None)
    if found is None:
        known = ", ".join(EXTENSIONS)
        raise ConfigError(f"a model that outlines writes {known}, not {kind}", todo="change --as")
    return found


def refuse_no_outlines(out: Path, kind: Kind, folder: Path, data: DataFiles) -> None:
    """Raise ConfigError before any work where the files cannot be made, or not written there.

    In a folder that medfl reads they would count as the site's own masks.
    """
    refuse_missing(kind)
    of_site = [data.folder, *filter(None, [data.masks.folder])]
    if any(out.resolve().is_relative_to((folder / one).resolve()) for one in of_site):
        raise ConfigError(
            f"{out} lies among the site's own data, where a model's outlines would count as truth",
            todo="name a folder outside data.folder and data.masks.folder with --out",
        )
    place = out if out.exists() else out.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{out} is no folder that can be written", todo="name another folder with --out"
        )
    there = {entry.name for entry in out.iterdir()} if out.exists() else set()
    is_ours = OutlineFolder(out).volumes.name in there
    others = sorted(
        name for name in there - _written(out) if not is_ours or NUMBERED.fullmatch(name)
    )
    if others:
        raise ConfigError(
            f"{out} holds files that no earlier predict wrote there, such as {others[0]}",
            todo="name an empty folder with --out",
            data="nothing was written",
        )


def _written(out: Path) -> set[str]:
    """Name the files that an earlier predict wrote into a folder, by its CSV."""
    table = OutlineFolder(out).volumes
    if not table.is_file():
        return set()
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            names = {row.get("written") or "" for row in csv.DictReader(file)}
        except csv.Error:
            return set()
    masks = {name for name in names if NUMBERED.fullmatch(name)}
    return masks | {report_of(name) for name in masks}


def report_of(name: str) -> str:
    """Name the report that goes with a mask file."""
    return name.partition(".")[0] + REPORT


def author_of(folder: Path, plan: Plan) -> Author:
    """Name the model in a folder by its study and the hash of its weights."""
    return Author(plan.study, sha256((folder / WEIGHTS).read_bytes()).hexdigest())


def write_outlines(
    read: tuple[Sequence[Source], dict[str, str]],
    model: Network,
    plan: Plan,
    kind: Kind,
    author: Author,
    device: torch.device,
    out: Path,
    screen: Screen,
) -> tuple[list[Source], dict[str, str]]:
    """Write a mask file per sample, its report if it is a volume, and the CSV into a folder.

    Returns the sources that have one, and path -> reason of the others.

    Args:
        read: (N,) what is decoded and outlined, a few at a time: memory may not hold them; path ->
            reason of the files that are none of it.
        model: On the device.
        plan: The model's.
        kind: Of the files.
        author: Named in DICOM files.
        device: Where the model is.
        out: The folder; it is made.
        screen: Follows the work.
    """
    (sources, _), refused, header = read, dict(read[1]), _header(plan)
    names = [f"{place + 1:04d}{EXTENSIONS[kind]}" for place in range(len(sources))]
    _begin(out, header, sources, names)
    place_of = {id(source): place for place, source in enumerate(sources)}
    lines: dict[int, list[str]] = {}
    progress = screen.watch("outlined")
    for start in range(0, len(sources), AT_ONCE):
        pixels, some, faults = decode(sources[start : start + AT_ONCE], plan.images)
        refused |= faults
        for i, written in outlines(model, pixels, some, plan, kind, author, device):
            place = place_of[id(some[i])]
            if isinstance(written, Refused):
                refused |= {row.name: written.reason for row in some[i].rows}
            else:
                write_atomic(out / names[place], written.content, 0o600)
                if written.report:
                    write_atomic(out / report_of(names[place]), written.report, 0o600)
                lines[place] = _line(some[i], names[place], written)
        progress(min(start + AT_ONCE, len(sources)), len(sources))
    empty = [""] * (len(header) - 1)
    without = [[path, *empty, reason] for path, reason in sorted(refused.items())]
    _write_table(out, [[*header, "remark"], *(lines[place] for place in sorted(lines)), *without])
    return [sources[place] for place in sorted(lines)], refused


def _header(plan: Plan) -> list[str]:
    volumes = [f"{name} {unit}" for name in plan.task.foreground for unit in ("ml", "voxels")]
    return ["file", "frame", "written", *volumes]


def _begin(out: Path, header: list[str], sources: Sequence[Source], names: list[str]) -> None:
    """Delete what an earlier predict wrote; list what comes, so that an interrupted one is told."""
    out.mkdir(exist_ok=True, mode=0o700)
    for name in _written(out):
        (out / name).unlink(missing_ok=True)
    empty = [""] * (len(header) - 3)
    rows = [
        [*_place(source), name, *empty, "predict was interrupted"]
        for source, name in zip(sources, names, strict=True)
    ]
    _write_table(out, [[*header, "remark"], *rows])


def _write_table(out: Path, rows: list[list[str]]) -> None:
    content = csv_text(rows).encode("utf-8", "backslashreplace")
    write_atomic(OutlineFolder(out).volumes, content, 0o600)


def _place(source: Source) -> list[str]:
    return [source.rows[0].name, str(max(source.frame, 0))]


def _line(source: Source, name: str, written: Written) -> list[str]:
    numbers = [
        text
        for ml, n in zip(written.ml[1:], written.voxels[1:], strict=True)
        for text in ("" if ml != ml else f"{ml:.3f}", str(n))
    ]
    remark = ""
    if written.seen < WHOLE:
        remark = (
            f"the model saw {written.seen:.0%} of the image, as much as the plan's size reaches; "
            "the rest is background"
        )
    return [*_place(source), name, *numbers, remark]
