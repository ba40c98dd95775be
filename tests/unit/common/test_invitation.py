"""The invitation file: what medfl wrote is read, and nothing else; a request is its signer's."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.conftest import PLAN

from medfl_common.errors import ConfigError
from medfl_common.ops.invitation import Invitation, invitation_of, read_invitation, write_invitation
from medfl_common.wire.joining import JoinRequest, is_signed, read_request, sha256_of, sign_request
from medfl_server.roster.certificates import create_authority

GOLDEN = Path(__file__).parents[2] / "golden" / "invitation"
CODE = "A" * 43
Values = dict[str, Any]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    create_authority(folder, "small", "localhost")
    return folder / "tls"


@pytest.fixture
def values(tls: Path) -> Values:
    return {
        "medfl_invitation": 1, "study": "small", "site": "north", "address": "localhost:8443",
        "ends": 1_797_219_539, "code": CODE, "ca": (tls / "ca.crt").read_text(), "plan": PLAN,
    }  # fmt: skip


def test_an_invitation_comes_back_as_it_was_written_and_is_its_owners_alone(
    values: Values, tmp_path: Path
) -> None:
    path, made = tmp_path / "north.medfl-invite", Invitation(**values)

    write_invitation(path, made)

    assert read_invitation(path) == made
    assert made.last_day == "2026-12-14"
    assert made.read_plan().study == "small"
    assert path.stat().st_mode & 0o777 == 0o600
    assert CODE not in repr(made)
    with pytest.raises(ConfigError, match="there is a file"):
        write_invitation(path, made)


def test_an_invitation_of_this_version_is_read_by_later_ones() -> None:
    found = read_invitation(GOLDEN / "north.medfl-invite")

    assert (found.study, found.site, found.address) == ("small", "north", "fl.example.org:8443")
    assert found.read_plan().federation.rounds == 3


def without(key: str) -> Callable[[Values], Values]:
    return lambda values: {name: value for name, value in values.items() if name != key}


def with_(**changes: object) -> Callable[[Values], Values]:
    return lambda values: {**values, **changes}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("code"), "no code as medfl makes it"),
        (with_(code=CODE[1:]), "no code as medfl makes it"),
        (with_(code=["A" * 43]), "no code as medfl makes it"),
        (without("ca"), "ca: missing"),
        (with_(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "authority"),
        (with_(ca=""), "no certificate of an authority"),
        (with_(ca="x" * 20_000), "ca: "),
        (with_(medfl_invitation=2), "agree on one version"),
        (with_(more=1), "more: unknown key"),
        (with_(site="../north"), "site: '../north' is not allowed"),
        (with_(site="\x1b[2J"), "site: "),
        (with_(address="fl.example.org"), "write host:port"),
        (with_(address="evil/@x:1"), "write host:port"),
        (with_(ends=-1), "ends: -1 is not allowed"),
        (with_(ends=1e999), "is no number"),
        (with_(study="other"), "of another study than the plan"),
        (with_(plan="plan: 1\n"), "the plan in the invitation has"),
        (with_(plan="a: &a [*a]\n"), "the plan in the invitation"),
        (with_(plan="x" * 300_000), "is larger than 262,144 bytes"),
    ],
)
def test_what_medfl_did_not_write_is_refused_in_words(
    values: Values, change: Callable[[Values], Values], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        invitation_of(json.dumps(change(values)))

    assert said in str(caught.value)
    assert caught.value.todo
    assert "\x1b" not in str(caught.value)
    assert CODE not in str(caught.value)


def test_a_servers_certificate_is_no_authority(values: Values, tls: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate of an authority"):
        invitation_of(json.dumps({**values, "ca": (tls / "server.crt").read_text()}))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1, "a": 2}', b" " * 300_000, b"null"],
)
def test_a_file_that_is_no_invitation_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_invitation(path)

    assert "send the file again" in caught.value.todo


def test_a_pipe_a_folder_and_nothing_are_no_invitation(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is no file"):
            read_invitation(path)
    with pytest.raises(ConfigError, match="there is no file"):
        read_invitation(tmp_path / "none")


def test_no_cut_or_changed_invitation_raises_anything_but_words(values: Values) -> None:
    text, rng = json.dumps(values), random.Random(7)
    for _ in range(300):
        at = rng.randrange(len(text))
        changed = text[:at] + rng.choice(["", "\x00", "é", "}", '"', "9"]) + text[at + 1 :]
        for hostile in (changed, text[:at]):
            try:
                found = invitation_of(hostile)
            except ConfigError:
                continue
            assert isinstance(found, Invitation)


def signed(authority: bytes = b"ca", code: str = CODE, site: str = "north") -> bytes:
    first, second = ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey.generate()
    form = Encoding.OpenSSH, PublicFormat.OpenSSH
    lines = [key.public_key().public_bytes(*form).decode() for key in (first, second)]
    return sign_request(code, site, authority, first, second, (lines[0], lines[1]))


def test_a_request_is_signed_by_both_keys_for_this_code_name_and_authority() -> None:
    request, other = read_request(signed()), read_request(signed())
    assert request is not None
    assert other is not None

    assert is_signed(request, b"ca")
    assert not is_signed(request, b"another ca")
    for name in JoinRequest.model_fields.keys() - {"join", "code", "site"}:  # of other keys
        assert not is_signed(request.model_copy(update={name: getattr(other, name)}), b"ca"), name
    for name, value in (("code", "B" * 43), ("site", "south"), ("transport", other.signing)):
        assert not is_signed(request.model_copy(update={name: value}), b"ca"), name


def test_no_changed_byte_of_a_request_keeps_its_signatures() -> None:
    body, rng = signed(), random.Random(3)
    for _ in range(400):
        at = rng.randrange(len(body))
        changed = body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :]
        request = read_request(changed)
        assert request is None or not is_signed(request, b"ca"), body[at - 20 : at + 20]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 4000, b" " * 5000])
def test_what_is_no_request_is_none(body: bytes) -> None:
    assert read_request(body) is None


def test_a_code_cannot_be_read_from_what_is_kept() -> None:
    assert CODE not in sha256_of(CODE)
    assert sha256_of(CODE) != sha256_of("B" * 43)
