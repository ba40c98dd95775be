"""The invitation to a study: one file from the coordinator to one hospital, read strictly.

It holds all that a hospital needs to come: address, authority, plan, name, and a code that lets one
pair of keys ask once. Who has the file can ask in the hospital's name, so it is a private file; the
code is on no screen, in no log and in no error text.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cryptography import x509
from pydantic import Field

from medfl_common.errors import ConfigError, LinkError
from medfl_common.files import write_private
from medfl_common.ops.address import PATTERN as ADDRESS
from medfl_common.plan.bounds import MAX_BYTES, Value, check_size
from medfl_common.plan.graph_files import keep, missing
from medfl_common.plan.packed_graphs import graphs_as_text, graphs_from_text
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Matching, Name, Settings, check, loads
from medfl_common.plan.strict_json import parse_json
from medfl_common.wire.joining import CODE

VERSION = 1
SUFFIX = ".medfl-invite"
MAX_CA = 16 * 1024  # characters of ca.crt; two certificates take 2,000
SOURCE = "the invitation"
ANEW = "ask the coordinator to send the file again, as it is"


def day_of(ends: int) -> str:
    """Name the day on which a code ends, in UTC."""
    return f"{datetime.fromtimestamp(ends, UTC):%Y-%m-%d}"


class Invitation(Settings):
    """What one hospital needs to come to a study."""

    medfl_invitation: Literal[1]
    """The version of this format."""
    study: Name
    """The study's name."""
    site: Name
    """The hospital's name in it."""
    role: Literal["train", "evaluate"] = "train"
    """What the hospital is to do: train, or only score models."""
    address: Annotated[str, Matching(ADDRESS, "host:port, such as fl.example.org:8443")]
    """Where the coordinator is."""
    ends: int = Field(ge=0, lt=2**40)
    """When the code ends, in seconds since 1970."""
    code: str = Field(repr=False)
    """Lets one pair of keys ask to join, once."""
    ca: str = Field(max_length=MAX_CA, repr=False)
    """The coordinator's ca.crt."""
    plan: str = Field(repr=False)
    """The study's plan, as the coordinator wrote it."""
    graphs: dict[str, str] = Field(default_factory=dict, repr=False)
    """What the plan brings as data: SHA-256 -> the file, deflated, in base 64. Optional."""

    @property
    def last_day(self) -> str:
        """Name the day on which the code ends."""
        return day_of(self.ends)

    @property
    def authorities(self) -> list[x509.Certificate]:
        """Give the certificates of ca.crt: the authority, then the study key's."""
        return x509.load_pem_x509_certificates(self.ca.encode())

    @property
    def authority(self) -> x509.Certificate:
        """Give the study's authority."""
        return self.authorities[0]

    def read_plan(self) -> Plan:
        """Read the plan, which is checked like a file."""
        return loads(Plan, self.plan, source=f"the plan in {SOURCE}")

    def keep_graphs(self, state: Path) -> bool:
        """Keep at a site what the plan brings as data; False where some of it is not here yet."""
        plan = self.read_plan()
        graphs_from_text(self.graphs, plan)
        if missing(plan):
            return False
        if plan.brings_data:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            keep(plan, state)
        return True


def write_invitation(path: Path, invitation: Invitation) -> None:
    """Write the file for its owner alone; raises ConfigError where it would be too large to read.

    Whatever is there already stays, and is an error.
    """
    text = _text(invitation)
    check_size(len(text), f"an invitation with this plan ({path})")
    if path.exists():
        raise ConfigError(
            f"there is a file {path.resolve()} already",
            todo="put it away, or name another with --out",
        )
    write_private(path, text.encode())


def with_graphs(invitation: Invitation, plan: Plan) -> Invitation:
    """Add what the plan brings as data, if the file is not too large for it then.

    So a hospital sees the network before it starts anything; else it comes with the first task.
    """
    whole = invitation.model_copy(update={"graphs": graphs_as_text(plan)})
    return whole if len(_text(whole)) <= MAX_BYTES else invitation


def _text(invitation: Invitation) -> str:
    return invitation.model_dump_json(indent=1, exclude=None if invitation.graphs else {"graphs"})


def read_invitation(path: Path) -> Invitation:
    """Read an invitation; raises ConfigError for what the coordinator's medfl did not write."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe or a device may have no end
            raise ConfigError(f"{path.resolve()} is no file", todo="name the invitation")
        with _to_be_sent_again():
            check_size(facts.st_size, SOURCE)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no file {path.resolve()}", todo=f"name the NAME{SUFFIX} that came to you"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{SOURCE} is damaged: it is not UTF-8", todo=ANEW) from None
    return invitation_of(text)


def invitation_of(text: str) -> Invitation:
    """Check the text of an invitation."""
    with _to_be_sent_again():
        values = parse_json(text, SOURCE)
        if values.get("medfl_invitation", VERSION) == VERSION:
            return _checked(values)
    raise ConfigError(
        f"{SOURCE} has another version than this medfl reads",
        todo="agree on one version of medfl with the coordinator",
    )


@contextmanager
def _to_be_sent_again() -> Iterator[None]:
    """Say of a fault what the hospital does: it did not write the file, so it mends nothing."""
    try:
        yield
    except ConfigError as error:
        error.todo, error.who = ANEW, "you"
        raise


def _checked(values: dict[str, Value]) -> Invitation:
    code = values.get("code", "")
    if not isinstance(code, str) or re.fullmatch(CODE, code) is None:  # never shown, so not below
        raise ConfigError(f"{SOURCE} has no code as medfl makes it", todo=ANEW)
    found = check(Invitation, values, SOURCE)
    try:
        extensions = found.authority.extensions
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        is_authority = False
    if not is_authority:
        raise ConfigError(f"{SOURCE} holds no certificate of an authority", todo=ANEW)
    plan = found.read_plan()
    if plan.study != found.study:
        raise ConfigError(f"{SOURCE} is of another study than the plan in it", todo=ANEW)
    try:
        graphs_from_text(found.graphs, plan)
    except LinkError as error:
        raise ConfigError(f"in {SOURCE}, {error.what}", todo=ANEW) from None
    return found
