"""`medfl-client predict` of a segmentation model: mask files, and a CSV of volumes."""

import os
from hashlib import sha256
from pathlib import Path

import torch

from medfl_client.config.folder import OutlineFolder
from medfl_client.data.masks.as_seg import Author
from medfl_client.data.masks.write_work import EXTENSIONS, Kind, Written
from medfl_client.data.own_shapes import Pixels
from medfl_client.data.reader import Source
from medfl_client.data.sandbox_wire import Refused
from medfl_client.model_use.outlines import outlines, refuse_missing
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import WEIGHTS
from medfl_common.ui.screen import Screen
from medfl_common.ui.spreadsheet import csv_text

WHOLE = 0.999  # from this part on the plan's grid reaches all of an image


def refuse_no_outlines(out: Path, kind: Kind) -> None:
    """Raise ConfigError before any work where the files cannot be made, or not written."""
    refuse_missing(kind)
    place = out if out.exists() else out.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{out} is no folder that can be written", todo="name another folder with --out"
        )


def author_of(folder: Path, plan: Plan) -> Author:
    """Name the model in a folder by its study and the hash of its weights."""
    return Author(plan.study, sha256((folder / WEIGHTS).read_bytes()).hexdigest())


def write_outlines(
    decoded: tuple[Pixels, list[Source], dict[str, str]],
    model: Network,
    plan: Plan,
    kind: Kind,
    author: Author,
    device: torch.device,
    out: Path,
    screen: Screen,
) -> tuple[list[Source], dict[str, str]]:
    """Write a mask file per sample and the CSV into a folder.

    Returns the sources that have one, and path -> reason of the others.

    Args:
        decoded: Pixels, their sources, and path -> reason of the others.
        model: On the device.
        plan: The model's.
        kind: Of the files.
        author: Named in DICOM files.
        device: Where the model is.
        out: The folder; it is made.
        screen: Follows the work.
    """
    pixels, sources, faults = decoded
    refused = dict(faults)
    out.mkdir(exist_ok=True, mode=0o700)
    lines: dict[int, list[str]] = {}
    progress = screen.watch("outlined")
    found = outlines(model, pixels, sources, plan, kind, author, device)
    for done, (place, written) in enumerate(found, start=1):
        source = sources[place]
        if isinstance(written, Refused):
            refused |= {row.name: written.reason for row in source.rows}
        else:
            name = f"{place + 1:04d}{EXTENSIONS[kind]}"
            write_atomic(out / name, written.content, 0o600)
            lines[place] = _line(source, name, written)
        progress(done, len(sources))
    header = ["file", "frame", "written"]
    header += [f"{name} {unit}" for name in plan.task.foreground for unit in ("ml", "voxels")]
    rows = [line for _, line in sorted(lines.items())]
    empty = [""] * (len(header) - 1)
    rows += [[path, *empty, reason] for path, reason in sorted(refused.items())]
    text = csv_text([[*header, "remark"], *rows])
    write_atomic(OutlineFolder(out).volumes, text.encode("utf-8", "backslashreplace"), 0o600)
    return [sources[place] for place in sorted(lines)], refused


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
    return [source.rows[0].name, str(max(source.frame, 0)), name, *numbers, remark]
