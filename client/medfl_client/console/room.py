"""The hospital's console put together: what can be read and done, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.folder import SiteFolder
from medfl_client.console.acts import Acts
from medfl_client.console.admission import Admission
from medfl_client.console.hospital import OWN, Hospital
from medfl_client.console.pages import Pages
from medfl_client.console.records import Chains
from medfl_client.console.roles import BOTH, MANAGER, OFFICER, ROLES
from medfl_client.console.waiting import Plans
from medfl_client.console.work import Works
from medfl_common.console.actions import note_in
from medfl_common.console.app import Console
from medfl_common.console.doors import Doors
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.two_persons import TwoPersons

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Room:
    """A console, and what ends with it."""

    console: Console
    works: Works
    folder: ConsoleFolder


def console_folder(folder: Path) -> ConsoleFolder:
    """Give what a hospital's console keeps: in the state of its own directory."""
    return ConsoleFolder(SiteFolder(Hospital(folder).folder).state)


def roles_of(folder: Path) -> Sequence[str]:
    """List the roles; where two persons approve, nobody is both of them."""
    site = Hospital(folder).study(OWN).site
    is_for_two = site is not None and site.policy.two_persons
    return [role for role in ROLES if not (is_for_two and role == BOTH)]


def build(folder: Path, doors: Doors | None = None) -> Room:
    """Make the console of a site's directory, which may not be there yet."""
    hospital, kept = Hospital(folder), console_folder(folder)
    kept.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    works, admission = Works(), Admission()
    plans = Plans(lambda of: works.do("plan", of))
    chains = Chains()
    doors = doors or Doors()
    words = TwoPersons(kept.first_words, (MANAGER, OFFICER), mark_of=lambda who: doors.mark_of(who))
    acts = Acts(hospital, works, plans, words, note_in(kept.actions), chains)
    console: Console
    pages = Pages(
        hospital, works, plans, admission, words, chains,
        lambda template, **values: console.render(template, **values),
    )  # fmt: skip
    console = Console(
        "Hospital", TEMPLATES, pages.all(), acts.all(), note_in(kept.actions), doors,
        acts.downloads(), home=hospital.folder,
    )  # fmt: skip
    return Room(console, works, kept)
