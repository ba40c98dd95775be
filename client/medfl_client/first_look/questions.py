"""The questions whose answers are the section `data` of site.yaml.

Each proposes what was seen, with the reason. Without a look at the images (`join`, which is to be
quick), the names of folders and columns are the reason.
"""

from pathlib import Path
from typing import Any

from medfl_client.config.site_file import DataFiles
from medfl_client.config.site_template import EXAMPLE
from medfl_client.data.labels import OF_PIXELS, SPLIT, refuse_other_labels
from medfl_client.first_look import columns, places
from medfl_client.first_look.classes import map_words
from medfl_client.first_look.findings import ask_findings
from medfl_client.first_look.images import HEADER, SeenImages
from medfl_client.first_look.sheet import Sheet, in_words, read_sheet
from medfl_client.first_look.subject import Given, Look, Subject
from medfl_common.errors import ConfigError, DataError
from medfl_common.plan.settings import check
from medfl_common.ui.asking import Asking
from medfl_common.ui.screen import lines_of

FOLDER = "folder"  # the answer that takes labels from the names of folders


def ask_data(site: Subject, given: Given, asking: Asking) -> DataFiles:
    """Ask where the data are, and what they say.

    Masks and boxes stay as site.yaml has them. Raises ConfigError for what was given and is not
    there; DataError for a label file at fault, where the images are looked at.
    """
    images = places.given("--data", given.data) or _ask_images(site, asking)
    found: dict[str, Any] = {"folder": places.relative(site.folder, images)}
    seen = None
    if site.look is not None:
        seen, more = _look(site, site.look, found["folder"], asking)
        found |= more
    if _has_own_labels(site, given):
        kept = site.known.model_dump(exclude_unset=True) if site.known is not None else {}
        return check(DataFiles, {**kept, **found}, "the answers")
    labels = places.given("--labels", given.labels) or _ask_labels(site, images, seen, asking)
    if labels is None:
        found |= {"labels_from": FOLDER, **_ask_folders(site, seen, asking)}
    else:
        found |= {"labels_from": "csv", "labels": places.relative(site.folder, labels)}
        found |= _ask_sheet(site, _read(labels, asking, is_strict=seen is not None), seen, given,
                            asking)  # fmt: skip
    kept = site.known.model_dump(exclude_unset=True) if site.known is not None else {}
    kept = {key: value for key, value in kept.items() if key not in _asked(site, found)}
    return check(DataFiles, {**kept, **found}, "the answers")


def _has_own_labels(site: Subject, given: Given) -> bool:
    """Say whether site.yaml says already where masks or boxes are: no question is about these.

    Raises DataError where a plan needs them and site.yaml does not say.
    """
    known = site.known or DataFiles(folder="", labels_from="folder")
    if site.plan is None:
        return known.labels_from in OF_PIXELS and not given.labels
    if site.look is not None and site.plan.task.is_dense:
        refuse_other_labels(known, site.plan)
    return known.labels_from in OF_PIXELS and site.plan.task.is_dense


def _asked(site: Subject, found: dict[str, Any]) -> set[str]:
    """Name what was asked, or belongs to another way to label: of these nothing old stays."""
    asked = {"encoding", "cell_separator"}
    if site.plan is not None:  # without it nobody asked what words mean
        asked |= {"label_column", "label_columns", "separator", "values"}
    of_csv = {"labels", "join", "join_column", "label_column", "label_columns", "separator",
              "patient_column", "split", "position_columns"}  # fmt: skip
    return asked | of_csv if found["labels_from"] == FOLDER else asked


def _ask_images(site: Subject, asking: Asking) -> Path:
    likely = places.likely_images(site.folder)
    if site.known is not None and (site.folder / site.known.folder).is_dir():
        likely = site.folder / site.known.folder
    return asking.ask(
        "Folder with the DICOM files",
        places.shown(site.folder, likely),
        read=lambda text: _a_folder(places.place_of(site.folder, text), site),
    )


def _a_folder(path: Path, site: Subject) -> Path:
    if site.look is not None and not path.is_dir():
        raise ConfigError(f"{path} is no folder", todo="name the folder of the images")
    return path


def _look(
    site: Subject, look: Look, folder: str, asking: Asking
) -> tuple[SeenImages, dict[str, Any]]:
    """Show what is in the folder; ask about images without a patient, and about burned-in text."""
    base = site.known or DataFiles(folder=folder, labels_from="folder")
    more: dict[str, Any] = {}
    seen = look(base.model_copy(update={"folder": folder}))
    if seen.n_without_patient and not base.patient_from_study:
        n, is_all = seen.n_without_patient, seen.n_images == 0
        why = (
            f"{n:,} files have no PatientID. If their study stands for the patient, two studies of "
            "one person may fall into training and test"
        )
        if asking.agree("Let the study stand for the patient", is_all, why):
            more["patient_from_study"] = True
            seen = look(base.model_copy(update={"folder": folder, **more}))
    _show(seen, site.folder / folder, asking)
    if seen.n_burned_in:
        why = f"{seen.n_burned_in:,} of {seen.n_images:,} images may hold burned-in text"
        is_out = asking.agree("Leave these images out", base.burned_in == "leave out", why)
        more["burned_in"] = "leave out" if is_out else "keep"
    return seen, more


def _show(seen: SeenImages, folder: Path, asking: Asking) -> None:
    screen = asking.screen
    screen.table(["files", "what can become of them"], seen.fates(), title=f"in {folder}")
    if seen.n_images == 0:
        raise DataError(
            f"{folder} holds no DICOM image that can be used",
            todo="name the folder of the DICOM files; pictures such as PNG are for medfl-sim only",
            data="site.yaml stays as it is",
        )
    screen.table(HEADER, seen.rows(), title="images")
    if seen.kinds:
        screen.say(
            f"special pictures among them: {in_words(seen.kinds)}; left out, unless a plan's "
            "images.image_types names them"
        )


def _ask_labels(
    site: Subject, images: Path, seen: SeenImages | None, asking: Asking
) -> Path | None:
    """Ask for the label file; None: the names of folders are the labels."""
    likely = places.likely_labels(site.folder, images)
    if site.known is not None and site.known.labels:
        known = site.folder / site.known.labels
        likely = known if known.exists() else likely
    is_folders = seen is not None and not likely.exists() and 2 <= len(seen.folders) <= 64
    proposed = FOLDER if is_folders else places.shown(site.folder, likely)
    why = ""
    if seen is not None and is_folders:
        why = f"there is no CSV; the images lie in folders: {in_words(seen.folders)}"

    def read(text: str) -> Path | None:
        if text == FOLDER:
            return None
        path = places.place_of(site.folder, text)
        if site.look is not None and not path.is_file():
            raise ConfigError(
                f"{path} is not there",
                todo=f"name the label file, or write {FOLDER}: the folders' names are the labels",
            )
        return path

    return asking.ask("Label file, a CSV", proposed, why, read)


def _ask_folders(site: Subject, seen: SeenImages | None, asking: Asking) -> dict[str, Any]:
    if seen is None or site.plan is None:
        return {}
    values = map_words(seen.folders, site.plan.task, site, "the folders' names", asking)
    return {"values": values} if values else {}


def _read(path: Path, asking: Asking, is_strict: bool) -> Sheet:
    """Read the label file; where it need not be right yet, what is wrong is told."""
    try:
        sheet = read_sheet(path)
        if not sheet.rows:
            raise DataError(
                f"{path.name} has no row below its first line",
                todo="fill it, or name another label file",
            )
        return sheet
    except DataError as error:
        if is_strict:
            raise
        if path.exists():
            for line in lines_of(error):
                asking.screen.say(line)
        return Sheet("utf-8", ",", [])


def _ask_sheet(
    site: Subject, sheet: Sheet, seen: SeenImages | None, given: Given, asking: Asking
) -> dict[str, Any]:
    """Ask which columns count."""
    found = {"encoding": sheet.encoding, "cell_separator": sheet.separator}
    found = {k: v for k, v in found.items() if v != DataFiles.model_fields[k].default}
    if seen is not None:
        _show_sheet(sheet, asking)
    found |= _ask_join(site, sheet, seen, given, asking)
    found |= ask_findings(sheet, site, found["join_column"], given.label_column, asking)
    if seen is not None:
        found |= _ask_patient(sheet, seen, found["join_column"], asking)
        found |= _ask_split(sheet, asking)
    return found


def _show_sheet(sheet: Sheet, asking: Asking) -> None:
    rows = []
    for name in sheet.columns:
        n_words = len(sheet.words[name].keys() - {""})
        is_label = sheet.may_be_labels(name)
        rows.append([name, sheet.shown(name) if is_label else f"{n_words:,} different words"])
    asking.screen.table(["column", "it has"], rows, title=f"{len(sheet.rows):,} rows of labels")


def _ask_join(
    site: Subject, sheet: Sheet, seen: SeenImages | None, given: Given, asking: Asking
) -> dict[str, Any]:
    ways = columns.joinings(sheet, seen, site.secret)
    likely = ways[0] if ways else None
    why = likely.why if likely and seen is not None else ""
    if seen is not None and not (likely and likely.why.endswith("here")):
        why = "no cell of the label file is found among the images; " + (why or "correct it later")
    name = _given_column(given.join_column, sheet) or asking.ask(
        "Column that says which image",
        likely.column if likely else EXAMPLE.join_column,
        why,
        lambda text: _a_column(text, sheet, is_there=seen is not None),
    )
    own = next((way.join for way in ways if way.column == name), None)
    known = site.known.join if site.known and site.known.join_column == name else None
    kind = own or columns.kind_of(name) or known or EXAMPLE.join
    return {"join_column": name, "join": kind}


def _given_column(name: str, sheet: Sheet) -> str:
    """Check a column that was named unasked, where the label file could be read."""
    return _a_column(name, sheet, is_there=bool(name and sheet.columns))


def _a_column(name: str, sheet: Sheet, is_there: bool) -> str:
    if is_there and name not in sheet.columns:
        raise ConfigError(
            f"there is no column {name!r}; there are: {', '.join(sheet.columns)}",
            todo="name one of them (with --yes: --join-column); if none says which image a label "
            "is of, add it to the label file",
        )
    return name


def _ask_patient(
    sheet: Sheet, seen: SeenImages, join_column: str, asking: Asking
) -> dict[str, Any]:
    """Take the patients of the label file where it knows more of them than the headers."""
    name = columns.patient_column(sheet)
    n_here = len(sheet.words[name].keys() - {""}) if name else 0
    if not name or name == join_column or n_here <= seen.n_patients:
        return {}
    why = f"{name} names {n_here:,} patients, the headers {seen.n_patients:,}"
    return (
        {"patient_column": name} if asking.agree(f"Take the patients of {name}", True, why) else {}
    )


def _ask_split(sheet: Sheet, asking: Asking) -> dict[str, Any]:
    name = columns.split_column(sheet)
    if not name:
        return {}
    if name != SPLIT:
        asking.screen.say(f"{name} says parts of a split; call it {SPLIT} to have them taken")
        return {}
    why = f"the column says: {sheet.shown(name)}"
    return {"split": "given"} if asking.agree(f"Take the column {SPLIT}", True, why) else {}
