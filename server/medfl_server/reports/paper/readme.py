"""`README.md` of a paper's folder: what each file is, and how much is for people to write."""

from collections.abc import Sequence

from medfl_common.run.paper_folder import PaperFolder
from medfl_common.ui.page import Section, Table
from medfl_server.reports.paper.checklists.item import Filled
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing

NOT_YOURS = (
    "medfl writes this folder anew each time: keep what you write elsewhere, or under another name."
)
LETTERS = (
    "Letters stand for the hospitals, in the order in which they were enrolled, as on the model "
    "card. `--names` writes their names."
)
NAMED = "WARNING: the study's name, which stands in every file, has the name of a hospital in it."
JUDGE = (
    "Nothing here judges that the study is sound, ethical or lawful. No line has a checklist's own "
    "words: read the original before you hand one in."
)


def readme_sections(
    facts: Facts, folder: PaperFolder, checklists: Sequence[Filled], figures: Sequence[Drawing]
) -> list[Section]:
    """Say what the folder holds."""
    shown = [
        (kind, path)
        for kind, name in ((k, n) for n, k in vars(PaperFolder).items())
        if isinstance(kind, property)
        for path in [getattr(folder, name)]
    ]
    files = [[path.name, (kind.__doc__ or "").splitlines()[0]] for kind, path in shown]
    place = folder.figure_folder().name
    drawn = [[f"{place}/{one.name}", one.caption] for one in figures]
    counts = [[one.checklist.title, one.in_words] for one in checklists]
    names = [LETTERS] if any(name != called for name, called in facts.names.items()) else []
    names += [NAMED] if names and any(one in facts.plan.study for one in facts.names) else []
    return [
        Section("Files", [NOT_YOURS, *names], tables=[Table(["file", "what it is"], files)]),
        Section("Checklists", [JUDGE], tables=[Table(["checklist", "state"], counts)]),
        Section("Figures", tables=[Table(["pdf, svg, csv", "caption"], drawn)] if drawn else [],
                texts=[] if drawn else ["None: no hospital told what a figure needs."]),
    ]  # fmt: skip
