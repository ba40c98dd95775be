"""The site file: what the hospital says of its own folders, device and policy. It never leaves."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medfl_client.config.box_files import BoxFiles
from medfl_client.config.folder import SiteFolder
from medfl_client.config.mask_files import MaskFiles
from medfl_common.ops.address import PATTERN as ADDRESS
from medfl_common.plan.graph_files import Sha256
from medfl_common.plan.plugins import Plugin
from medfl_common.plan.settings import Matching, Name, Number, Settings, load

Join = Literal[
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber",
    "path",
]  # fmt: skip

CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"  # of a day with 24 hours
HOURS = rf"any|(?!({CLOCK})-\1){CLOCK}-{CLOCK}"  # the end is not the start


class DataFiles(Settings):
    """Where the images and labels are; paths are relative to the site file."""

    folder: str
    """The folder with the DICOM files, sub-folders included."""
    labels_from: Literal["csv", "folder", "tag", "file", "masks", "boxes"] = "csv"
    """Where a label is: in the CSV `labels`; the name of the first folder below `folder`; the DICOM
    tag `label_tag`; the image's own file (npz); in mask files (`masks`), for a segmentation; in a
    list of boxes (`boxes`), for a detection."""
    masks: MaskFiles = MaskFiles()
    """Segmentation: the mask files."""
    boxes: BoxFiles = BoxFiles()
    """Detection: the list of boxes."""
    labels: str = ""
    """The CSV of labels. Its first line names the columns."""
    encoding: str = "utf-8"
    """Encoding of the CSV."""
    cell_separator: Literal[",", ";", "\t", "|"] = ","
    """What stands between the cells of the CSV; a spreadsheet may write semicolons or tabs."""
    join: Join = "SOPInstanceUID"
    """What the join column holds; `path`: relative to `folder`."""
    join_column: str = ""
    """The column that says which image, series, study or patient a label is of."""
    label_column: str = ""
    """The column that holds the label; multilabel: empty, unless `separator` is set."""
    label_columns: dict[str, str] = Field(default={})
    """Multilabel: the column of each finding, where it has another name than the finding."""
    separator: str = Field(default="", max_length=1)
    """Multilabel: what stands between findings in one column."""
    values: dict[str, str] = Field(default={})
    """What the CSV, folder or tag says -> the plan's class, or `unknown`; multilabel: 1, 0 or
    `none`."""
    position_columns: list[str] = Field(default=[])
    """For `sample: candidate`: the columns of x, y and z, in mm to the patient's left, back and
    head, as ImagePositionPatient has them."""
    label_tag: str = ""
    """The keyword of the DICOM tag that is the label."""
    patient_column: str = ""
    """The column of the CSV that says who an image is of; empty: the header's PatientID."""
    patient_from_study: bool = False
    """Without PatientID: the study stands for the patient."""
    patient_from_folder: bool = False
    """The first folder below `folder` says who an image is of, as in `P017/scan.nii.gz`; for
    pictures and NIfTI, which name nobody."""
    max_damaged: Annotated[Number, Field(ge=0, le=1)] = 0.05
    """If more than this part of the plan's images cannot be decoded, the site does not train."""
    burned_in: Literal["keep", "leave out"] = "keep"
    """What becomes of images that may have text written into them."""
    patients: int | None = Field(default=None, ge=1)
    """Patients that this site says it trains on, where a plan has privacy.noise: the exact number
    stays here. Without it the plan's `least_patients`; a round number below the true one."""
    split: Literal["drawn", "given"] = "drawn"
    """`drawn`: medfl draws who trains, validates and tests, by patient. `given`: the column `split`
    of the CSV says it (train, validation or test), or the name of an npz's array."""

    @model_validator(mode="after")
    def _labels_are_named(self) -> Self:
        if self.labels_from == "csv" and not (self.labels and self.join_column):
            raise ValueError("labels from a CSV need labels (the file) and join_column")
        if self.labels_from == "boxes" and not self.boxes.file:
            raise ValueError("labels from boxes need boxes.file, the list of boxes")
        if self.labels_from == "tag" and not self.label_tag:
            raise ValueError("labels from a tag need label_tag, the keyword of a DICOM tag")
        if self.patient_column and self.labels_from != "csv":
            raise ValueError("patient_column is a column of a CSV; labels_from is another")
        if self.split == "given" and self.labels_from not in ("csv", "file"):
            raise ValueError("split: given needs labels from a CSV, or from an npz (file)")
        if self.separator and not self.label_column and self.labels_from == "csv":
            raise ValueError("separator belongs to one label_column that holds several findings")
        return self

    @model_validator(mode="after")
    def _positions_are_three(self) -> Self:
        names = self.position_columns
        if names and not len(set(names)) == len(names) == 3:
            raise ValueError(f"position_columns names the columns of x, y and z, not {names}")
        if names and self.labels_from != "csv":
            raise ValueError("position_columns are columns of a CSV; labels_from is another")
        return self


class Server(Settings):
    """The coordinator, as it told the hospital."""

    address: Annotated[
        str,
        Matching(ADDRESS, "host:port, such as fl.example.org:8443 or [2001:db8::7]:8443"),
    ]
    """The coordinator, as host:port; an IPv6 address stands in brackets."""
    ca: str = "ca.crt"
    """The certificate of the study's authority."""


class HttpProxy(Settings):
    """The proxy that leads out of the hospital."""

    url: str = Field(min_length=1)
    """`http://HOST:PORT`; `none`: connect directly, whatever the proxy variables say."""
    user: str = ""
    """The user name for the proxy, if it asks for one."""
    password_file: str = ""
    """The file that holds the password for the proxy, in one line; only you should be able to
    read it."""


class Network(Settings):
    """How this machine reaches the coordinator."""

    proxy: HttpProxy | None = None
    """The HTTP proxy (CONNECT); without it the variables https_proxy, all_proxy and no_proxy
    count."""


class Compute(Settings):
    """What trains here."""

    device: Annotated[
        str, Matching(r"auto|cpu|cuda(:[0-9]+)?|mps", "auto, cpu, cuda, cuda:NUMBER or mps")
    ] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:NUMBER` or `mps`; `auto` takes a GPU where there is one."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Passes over this site's training images in each round, or the nearest number that the plan's
    `training.epochs_range` allows; without it the plan's."""


class Budget(Settings):
    """The most that may ever be told of one patient, over all studies of the hospital."""

    epsilon: Annotated[Number, Field(gt=0, le=100)]
    """Epsilon of (epsilon, delta)-differential privacy, add or remove one patient."""
    delta: Annotated[Number, Field(gt=0, lt=0.01)] = 1e-5
    """Delta of it; well below one over the number of patients."""


Protection = Literal["none", "noise", "secure_sum", "both"]
EARLIER_PROTECTIONS = {"differential_privacy": "noise", "secure_aggregation": "secure_sum"}
Metric = Literal["train_loss", "scores", "exact_auc"]


class Policy(Settings):
    """What the hospital allows. Policy beats plan, always."""

    approval: Literal["required", "none"] = "required"
    """`required`: this site works on a plan only after `medfl-client approve`. `none`: on any plan
    of the coordinator."""
    models: list[str] | Literal["all"] = "all"
    """Networks that may be trained here."""
    max_rounds: int = Field(default=1000, ge=1)
    """A plan with more rounds is refused."""
    min_images: int = Field(default=20, ge=1)
    """With fewer training images nothing leaves."""
    min_cell: int = Field(default=10, ge=1)
    """If a class has fewer scored images, no scores leave; smaller groups and counts are taken
    out, and smaller bins of a histogram joined with others."""
    metrics: list[Metric] | Literal["all"] = "all"
    """Kinds of metrics that may leave. `scores`: the counts from which all scores follow, and
    groups. What is not listed is taken out. `exact_auc` is of earlier versions: it never leaves."""
    share_statistics: bool = True
    """Counts and an intensity histogram of the data may leave, where a plan asks; so may counts of
    files by the reason why they take no part, and of images by part."""
    share_subgroups: bool = True
    """Scores by sex, age band and manufacturer may leave, where a plan asks."""
    share_features: bool = True
    """Mean and covariance of the validation images' features may leave, where a plan asks."""
    max_message_mb: Annotated[Number, Field(gt=0)] = 1024.0
    """A reply of more megabytes is not sent."""
    max_mb_a_day: Annotated[Number, Field(gt=0)] = 100_000.0
    """So many megabytes at most leave in any 24 hours, all studies together."""
    max_mb_ever: Annotated[Number, Field(gt=0)] | None = None
    """So many megabytes at most leave in all the years, all studies together; without it only the
    plans say how much that is."""
    hours: Annotated[str, Matching(HOURS, 'any, or hours such as "20:00-06:00"')] = "any"
    """The local time in which tasks are taken up, such as "20:00-06:00". Work begun inside is
    finished."""
    protection: Annotated[
        Protection, BeforeValidator(lambda told: EARLIER_PROTECTIONS.get(str(told), told))
    ] = "none"
    """What a plan must offer to protect what leaves: `noise` (privacy.noise), `secure_sum`
    (privacy.secure_sum) or `both`."""
    budget: Budget | None = None
    """The most that may ever be told of one patient, over all studies of this hospital. A plan
    without noise has no bound, so with a budget it is refused."""
    at_least: int = Field(default=3, ge=2, le=10_000)
    """Hospitals in a secure sum, the fewest, whatever the plan says."""
    self_test: Literal["off", "tell", "stop"] = "tell"
    """Before an update leaves, medfl tries to read a picture out of it: `tell` says so here, `stop`
    sends nothing then."""
    repeats: int = Field(default=3, ge=0, le=1000)
    """A plan's questions are answered once: each round, two scorings at the end and a test. So many
    more are answered where they come again with other weights, as from a coordinator that was put
    back from a copy."""
    start_weights: Literal["exact", "close", "own", "unchecked"] = "exact"
    """The first round must begin with the weights that the plan says: to the bit; but for a
    hundred-thousandth, as another processor draws them; or unchecked. Published weights and files
    cannot be made here, so not compared; with `own` such a plan is refused."""
    min_batch: int = Field(default=1, ge=1, le=4096)
    """A plan with fewer images in a step is refused."""
    two_persons: bool = False
    """A plan is approved by the data manager and by the security officer, each in the console
    (`medfl-client console`) under a name of their own; `medfl-client approve` then refuses."""
    networks: Literal["built-in", "any"] | list[Sha256] = "built-in"
    """Which networks, losses and image steps may come as data. `built-in`: none. A list of SHA-256:
    those that this hospital has looked at. `any`: all, where the plan has noise or secure sums."""
    bare_networks: bool = False
    """With `networks: any`: also in plans with neither noise nor secure sums."""
    plugins: list[Plugin] = Field(default=[])
    """Code that this hospital's own IT has installed and that a plan may use: each with its
    distribution, version and the hash of its RECORD. No code is ever sent here."""
    role: Literal["train", "evaluate"] = "train"
    """`evaluate`: nothing is trained here; all patients score the model, as those of an outside
    hospital."""
    model_step: Annotated[Number, Field(gt=0)] | None = None
    """The weights of a round may have moved by so many times this site's largest update so far;
    without it they are not compared. Honest studies need different numbers, see SECURITY.md."""

    @model_validator(mode="after")
    def _exact_auc_goes_with_scores(self) -> Self:
        if self.metrics != "all" and "exact_auc" in self.metrics and "scores" not in self.metrics:
            raise ValueError("metrics: exact_auc is one of the scores; list scores too")
        return self

    def shares(self, metric: Metric) -> bool:
        """Say whether a kind of metric may leave."""
        return self.metrics == "all" or metric in self.metrics


class SiteFile(Settings):
    """What one hospital says of its data, its device and its policy."""

    site: Name
    """The site's name, as the coordinator sees it."""
    data: DataFiles
    """Where images and labels are."""
    server: Server | None = None
    """The coordinator; `medfl-client init --server` writes it."""
    network: Network = Network()
    """How this machine reaches the coordinator; most sites need nothing here."""
    compute: Compute = Compute()
    """What trains here."""
    policy: Policy = Policy()
    """What the hospital allows; it beats every plan."""


def load_site_file(folder: Path) -> SiteFile:
    """Read `site.yaml` of a site folder."""
    return load(SiteFile, SiteFolder(folder).site_file)
