"""A run directory: the name of each of its files, once."""

from dataclasses import dataclass
from pathlib import Path

from medfl_common.plan.graph_files import FOLDER
from medfl_common.run.simulation_files import SimulationFiles


@dataclass(frozen=True)
class RunFolder(SimulationFiles):
    """The directory of one study, at the coordinator or in a simulation."""

    @property
    def plan_file(self) -> Path:
        """The plan, as the coordinator wrote it."""
        return self.path / "plan.yaml"

    def former_plan(self, number: int) -> Path:
        """Name a plan that the study had before; 1 is the first."""
        return self.path / f"plan-{number}.yaml"

    @property
    def pause(self) -> Path:
        """A person's wish that the study rest."""
        return self.path / "pause.json"

    @property
    def stop(self) -> Path:
        """A person's wish that the study end."""
        return self.path / "stop.json"

    @property
    def facts(self) -> Path:
        """The run's id and the plan's hash."""
        return self.path / "study.json"

    @property
    def log(self) -> Path:
        """One line per event."""
        return self.path / "log.jsonl"

    @property
    def tallies(self) -> Path:
        """The counts behind the scores in the log, a line for each of its lines that has any."""
        return self.path / "tallies.jsonl"

    @property
    def live(self) -> Path:
        """What a study that runs waits for at this moment: a hint, which no page needs."""
        return self.path / "live.json"

    @property
    def roster(self) -> Path:
        """The hospitals and their public keys."""
        return self.path / "roster.json"

    @property
    def checkpoints(self) -> Path:
        """The shared weights after the last rounds, and of the best round."""
        return self.path / "checkpoints"

    @property
    def weights_file(self) -> Path:
        """The initial weights that came as a file, where the plan names one."""
        return self.path / "weights.safetensors"

    @property
    def graphs(self) -> Path:
        """What the plan brings as data, each file under its hash."""
        return self.path / FOLDER

    @property
    def initial_weights(self) -> Path:
        """All weights that the study starts from."""
        return self.path / "start.safetensors"

    @property
    def report(self) -> Path:
        """The study report."""
        return self.path / "report.html"

    @property
    def heterogeneity(self) -> Path:
        """How the sites' data differ, where the plan asks for statistics."""
        return self.path / "harmony.html"

    @property
    def model_card(self) -> Path:
        """What the model is for and how good it is, as Markdown."""
        return self.path / "model-card.md"

    @property
    def model_card_page(self) -> Path:
        """The same as a page."""
        return self.path / "model-card.html"

    @property
    def dossier(self) -> Path:
        """What the study tells of persons, and a skeleton of an impact assessment."""
        return self.path / "dossier.md"

    @property
    def dossier_page(self) -> Path:
        """The same as a page."""
        return self.path / "dossier.html"

    @property
    def paper(self) -> Path:
        """What a paper on the study needs."""
        return self.path / "paper"

    @property
    def tls(self) -> Path:
        """The study's certificate authority and the server's certificate."""
        return self.path / "tls"

    @property
    def ca(self) -> Path:
        """The authority's certificate; each hospital gets a copy."""
        return self.tls / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """The authority's private key; it never leaves the coordinator."""
        return self._shared() / "ca.key"

    @property
    def server_certificate(self) -> Path:
        """The server's certificate."""
        return self._shared() / "server.crt"

    @property
    def server_key(self) -> Path:
        """The server's private key."""
        return self._shared() / "server.key"

    def _shared(self) -> Path:
        """Give where the authority is: here, or above, where the directory is one of several."""
        path = self.path if self.path.name not in ("", "..") else self.path.resolve()
        above = RunFolder(path.parent)
        has_own = (self.tls / "server.crt").exists() or above.facts.exists()
        return self.tls if has_own or not (above.tls / "server.crt").exists() else above.tls

    @property
    def study_key(self) -> Path:
        """The private key that tasks are signed with."""
        return self.tls / "study.key"

    @property
    def study_certificate(self) -> Path:
        """Its certificate, from the study's authority; goes with each task."""
        return self.tls / "study.crt"

    @property
    def ledgers(self) -> Path:
        """The last line of each site's ledger that the coordinator has heard of."""
        return self.path / "ledgers.json"

    @property
    def flower_log(self) -> Path:
        """What Flower and its libraries log."""
        return self.path / "flower.log"

    @property
    def local(self) -> Path:
        """What virtual hospitals keep between rounds; only in a simulation."""
        return self.path / "local"

    @property
    def revoked(self) -> Path:
        """The keys that were let out again, with name and time."""
        return self.path / "revoked.json"

    @property
    def compared(self) -> Path:
        """Whose fingerprint was compared by telephone, by whom and when."""
        return self.path / "compared.json"

    @property
    def invitations(self) -> Path:
        """Who was invited, the hash of each code, and which keys asked with it."""
        return self.path / "invitations.json"

    @property
    def waiting(self) -> Path:
        """Updates that wait on the disk for their turn."""
        return self.path / "waiting"

    @property
    def sums(self) -> Path:
        """What a coordinator keeps of secure sums; nothing in it is of one hospital."""
        return self.path / "sums"

    @property
    def stretch(self) -> Path:
        """The stretch of rounds whose keys are in use, with the public keys and sealed shares."""
        return self.sums / "stretch.json"

    @property
    def summed(self) -> Path:
        """Whose masked numbers are in the newest sum; written before it is opened."""
        return self.sums / "summed.json"

    @property
    def masked_total(self) -> Path:
        """The newest sum, still masked."""
        return self.sums / "total.bin"

    @property
    def superlink_log(self) -> Path:
        """What Flower says at a coordinator."""
        return self.path / "superlink.log"

    @property
    def process_log(self) -> Path:
        """What a process says that a console has started here."""
        return self.path / "process.log"

    @property
    def flower_home(self) -> Path:
        """Flower's own files."""
        return self.path / ".flwr"

    @property
    def export(self) -> Path:
        """The model for other programs, with its preprocessing."""
        return self.path / "export"
