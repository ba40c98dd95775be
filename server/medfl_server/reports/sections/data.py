"""What a simulation read: used, left out and why, and whose patients nobody named."""

from medfl_common.run.data_source import DataSource
from medfl_common.run.events import DataRead
from medfl_common.ui.page import Section, Table

REASONS = 5  # that a line on the screen names


def data_section(read: DataRead) -> Section:
    """Count each folder's images and patients, and list what was left out and why."""
    rows = [
        [name, what, str(n), reason]
        for name, source in read.sources.items()
        for what, found in (("files", source.left_out), ("parts", source.left_out_parts))
        for reason, n in found.items()
    ]
    texts = [line for name, source in read.sources.items() for line in _own(name, source)]
    header = ["folder", "of", "left out", "why"]
    used = [[name, _images(source)] for name, source in read.sources.items()]
    tables = [Table(["folder", "what takes part"], used, is_text=True)]
    tables += [Table(header, rows, is_text=True)] if rows else []
    texts += [] if rows else ["Nothing was left out."]
    return Section("What was read", texts, tables=tables)


def in_words(read: DataRead) -> list[str]:
    """Say it in lines for a screen."""
    lines = []
    for name, source in read.sources.items():
        reasons = [*source.left_out.items(), *source.left_out_parts.items()]
        shown = "; ".join(f"{n} x {reason}" for reason, n in reasons[:REASONS])
        more = f"; {len(reasons) - REASONS} more reasons" if len(reasons) > REASONS else ""
        out = f"left out: {shown}{more}" if reasons else "nothing left out"
        lines.append(f"{name}: {_images(source)}; {out}")
        lines += _own(name, source)
    return lines


def _images(source: DataSource) -> str:
    """Count the images, and the patients as far as anything says whose they are."""
    n, n_own = source.n_images, source.n_own_patients
    if n_own == n:
        return f"{n} images, each counted as a patient"
    of = "" if source.n_patients is None else f" of {source.n_patients} patients"
    return f"{n} images{of}" + (f", {n_own} of them each counted as a patient" if n_own else "")


def _own(name: str, source: DataSource) -> list[str]:
    if not source.n_own_patients:
        return []
    return [
        f"{name}: {_images(source)}, as nothing says whose they are. If a patient has several, "
        "the model may be scored on patients of its training; data.patient_column names their "
        "column of the label file, data.patient_from_folder takes the first folder's name"
    ]
