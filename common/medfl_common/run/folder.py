"""A run directory: the name of each of its files, once."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The directory of one study, at the coordinator or in a simulation."""

    path: Path

    @property
    def plan_file(self) -> Path:
        """The plan, as the coordinator wrote it."""
        return self.path / "plan.yaml"

    @property
    def facts(self) -> Path:
        """The run's id and the plan's hash."""
        return self.path / "study.json"

    @property
    def log(self) -> Path:
        """One line per event."""
        return self.path / "log.jsonl"

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
        return self.tls / "ca.key"

    @property
    def server_certificate(self) -> Path:
        """The server's certificate."""
        return self.tls / "server.crt"

    @property
    def server_key(self) -> Path:
        """The server's private key."""
        return self.tls / "server.key"

    @property
    def flower_log(self) -> Path:
        """What Flower and its libraries log."""
        return self.path / "flower.log"

    @property
    def local(self) -> Path:
        """What virtual hospitals keep between rounds; only in a simulation."""
        return self.path / "local"
