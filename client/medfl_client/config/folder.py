"""A site directory: the name of each of its files, once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medfl_common.plan.graph_files import FOLDER

PRIVATE, SIGNING_KEY, PUBLIC = "identity.key", "signing.key", "identity.pub"


@dataclass(frozen=True)
class SiteFolder:
    """The directory that the data manager edits and reads."""

    path: Path

    @property
    def site_file(self) -> Path:
        """Where the data are, the coordinator, and the policy."""
        return self.path / "site.yaml"

    @property
    def plan_file(self) -> Path:
        """The study's plan, where it was put here."""
        return self.path / "plan.yaml"

    @property
    def ca(self) -> Path:
        """The coordinator's certificate authority."""
        return self.path / "ca.crt"

    @property
    def readiness(self) -> Path:
        """Whether the data are ready; it never leaves."""
        return self.path / "readiness.html"

    @property
    def audit(self) -> Path:
        """What left, for the security officer; it never leaves."""
        return self.path / "audit.html"

    @property
    def explanations(self) -> Path:
        """Where the model looked, for people here; it never leaves."""
        return self.path / "explain.html"

    @property
    def predictions(self) -> Path:
        """The output of `predict`; it never leaves."""
        return self.path / "predictions.csv"

    @property
    def outlines(self) -> Path:
        """Mask files that `predict` wrote; they never leave."""
        return self.path / "outlines"

    @property
    def looks(self) -> Path:
        """Images with masks laid over them, for people here; they never leave."""
        return self.path / "look"

    @property
    def privacy_head(self) -> Path:
        """The last line of the privacy ledger, to be backed up with the keys; see StateFolder."""
        return self.path / "privacy.head"

    @property
    def state(self) -> Path:
        """What medfl itself writes; see StateFolder."""
        return self.path / "state"

    @property
    def studies(self) -> Path:
        """The hospital's further studies, each in a directory of its own."""
        return self.path / "studies"


def home_of(folder: Path) -> Path:
    """Give the hospital's own directory, which has the keys: this, or the one above `studies`."""
    place = folder.resolve()
    above = SiteFolder(place.parent.parent)
    is_study = place.parent == above.studies and above.site_file.exists()
    return above.path if is_study else folder


@dataclass(frozen=True)
class StateFolder:
    """What medfl writes at a site. Protect it like the images."""

    path: Path

    @classmethod
    def of(cls, site: Path) -> Self:
        """Give the state of a site directory."""
        return cls(SiteFolder(site).state)

    @property
    def ledger(self) -> Path:
        """One line for every message that left."""
        return self.path / "ledger.jsonl"

    @property
    def statements(self) -> Path:
        """What the coordinator signed of the ledger's last line, and what of it is missing."""
        return self.path / "statements.json"

    @property
    def incidents(self) -> Path:
        """Full texts of errors, which never leave."""
        return self.path / "incidents.jsonl"

    @property
    def approvals(self) -> Path:
        """Who approved or withdrew which plan."""
        return self.path / "approvals.jsonl"

    @property
    def questions(self) -> Path:
        """What the coordinator asked under which approval."""
        return self.path / "questions.jsonl"

    @property
    def self_tests(self) -> Path:
        """What could be read out of updates before they left."""
        return self.path / "self-tests.jsonl"

    @property
    def privacy(self) -> Path:
        """What the answers with noise cost one patient; of all studies of the hospital."""
        return self._of_all() / "privacy.jsonl"

    @property
    def patient_sets(self) -> Path:
        """Whose images answers were of, by pseudonyms, and flows told; of all its studies."""
        return self._of_all() / "patient-sets"

    @property
    def splits(self) -> Path:
        """Who trains, validates and tests, by keyed hashes; one file for each study's salt."""
        return self._of_all() / "splits"

    @property
    def study_keys(self) -> Path:
        """The public half of each study key that is pinned here, by its authority."""
        return self.path / "study-keys.json"

    @property
    def steps(self) -> Path:
        """The weights answered last, where the policy bounds how far they move."""
        return self.path / "steps"

    @property
    def graphs(self) -> Path:
        """Networks, losses and image steps that came as data, each under its hash."""
        return self.path / FOLDER

    @property
    def proposed(self) -> Path:
        """Plans that came with a task and are not approved."""
        return self.path / "proposed"

    @property
    def replies(self) -> Path:
        """The last reply of each run, so that it is made only once."""
        return self.path / "replies"

    @property
    def index(self) -> Path:
        """Facts from the header of every file."""
        return self.path / "index.sqlite"

    @property
    def mask_index(self) -> Path:
        """Facts from the header of every mask file, where masks have a folder of their own."""
        return self.path / "mask-index.sqlite"

    @property
    def patients_key(self) -> Path:
        """The key of the pseudonyms, the same in all studies of the hospital."""
        return self._of_all() / "patients.key"

    @property
    def noise_key(self) -> Path:
        """The key of coins and noise, the same in all studies of the hospital."""
        return self._of_all() / "noise.key"

    @property
    def cache(self) -> Path:
        """Decoded images."""
        return self.path / "cache"

    @property
    def left_out(self) -> Path:
        """The files that take no part, each with its reason."""
        return self.path / "left-out.csv"

    @property
    def secure(self) -> Path:
        """What belongs to secure sums, by run."""
        return self.path / "secure"

    @property
    def local(self) -> Path:
        """Layers and algorithm state that stay here between rounds, by run."""
        return self.path / "local"

    @property
    def models(self) -> Path:
        """Finished models for the site's own use."""
        return self.path / "models"

    @property
    def flower_log(self) -> Path:
        """What Flower and its libraries log."""
        return self.path / "flower.log"

    @property
    def flower_home(self) -> Path:
        """Flower's own files."""
        return self.path / "flwr"

    @property
    def supernode_log(self) -> Path:
        """What Flower's SuperNode says."""
        return self.path / "supernode.log"

    @property
    def client_log(self) -> Path:
        """What the client says that the console started."""
        return self.path / "client.log"

    @property
    def readiness(self) -> Path:
        """What the page on the data's readiness says, for the console."""
        return self.path / "readiness.json"

    @property
    def executor_key(self) -> Path:
        """The secret between the client's two processes."""
        return self.path / "executor.key"

    @property
    def executor_socket(self) -> Path:
        """Where the client's two processes meet, in a folder of its own."""
        return self.path / "executor" / "socket"

    @property
    def lock(self) -> Path:
        """Held by the client that runs."""
        return self.path / "lock"

    def _of_all(self) -> Path:
        """Give the state that holds what counts over all studies of the hospital."""
        home = home_of(self.path.parent)
        return self.path if home == self.path.parent else SiteFolder(home).state


@dataclass(frozen=True)
class SumFolder:
    """A run's secure sums at a site. Whoever has the key and the messages can read updates."""

    path: Path

    @property
    def key(self) -> Path:
        """The secrets of the newest stretch of rounds; those of used rounds are forgotten."""
        return self.path / "sums.key"

    @property
    def journal(self) -> Path:
        """What was masked, and which sums were opened, each line before it left."""
        return self.path / "journal.jsonl"


@dataclass(frozen=True)
class CacheFolder:
    """Decoded images of one way to make them from a plan. It may be deleted, and is made again."""

    path: Path

    @property
    def pixels(self) -> Path:
        """The images, one record after the other."""
        return self.path / "pixels.raw"

    @property
    def samples(self) -> Path:
        """Which image is where in it."""
        return self.path / "samples.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the process that writes here."""
        return self.path / "lock"
