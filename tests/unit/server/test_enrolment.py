import shutil
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from tests.conftest import MakePlan

from medfl_client.config.identity import create_identity, replace_identity
from medfl_common.errors import ConfigError, LinkError, RunError
from medfl_common.files import locked
from medfl_common.wire.keys import fingerprint
from medfl_server.roster.certificates import create_authority, expiry_warning, renew
from medfl_server.roster.enrolment import LiveRoster, enrol, name_beside, read_roster, revoke
from medfl_server.study.run_directory import create_study, open_study


def test_a_site_is_enrolled_by_its_key_and_both_ends_show_one_fingerprint(tmp_path: Path) -> None:
    lines = create_identity(tmp_path / "north", "north")

    shown = enrol(tmp_path, "north", tmp_path / "north" / "identity.pub")

    assert shown == fingerprint(lines)
    assert list(read_roster(tmp_path)) == ["north"]
    for key in ("identity.key", "signing.key"):
        assert (tmp_path / "north" / key).stat().st_mode & 0o777 == 0o600
    if shutil.which("ssh-keygen"):
        command = ["ssh-keygen", "-l", "-f", str(tmp_path / "north" / "identity.pub")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert all(fingerprint([line]) in said for line in lines)


def test_revoked_keys_do_not_come_back_and_new_ones_take_their_place(tmp_path: Path) -> None:
    site = tmp_path / "north"
    create_identity(site, "north")
    old = tmp_path / "old.pub"
    shutil.copy(site / "identity.pub", old)
    live = LiveRoster(tmp_path)
    enrol(tmp_path, "north", old, max_images=50)
    assert live()["north"].max_images == 50

    replace_identity(site, "north")
    shown = enrol(tmp_path, "north", site / "identity.pub", replace=True)

    assert live()["north"].fingerprint == shown
    with pytest.raises(ConfigError, match=r"SHA256:\S+ was revoked"):
        enrol(tmp_path, "north", old, replace=True)
    assert revoke(tmp_path, "north") == shown
    assert live() == {}
    with pytest.raises(ConfigError, match="was revoked; ask the site for new ones"):
        enrol(tmp_path, "north", site / "identity.pub")
    with pytest.raises(ConfigError, match="south is not enrolled; enrolled: none"):
        revoke(tmp_path, "south")


def test_a_renewed_certificate_is_of_the_same_authority_and_host(tmp_path: Path) -> None:
    create_authority(tmp_path, "study", "fl.example.org")
    before, tls = (tmp_path / "tls" / "server.crt").read_bytes(), tmp_path / "tls"

    ends = renew(tmp_path)

    load = x509.load_pem_x509_certificate
    server = load((tls / "server.crt").read_bytes())
    server.verify_directly_issued_by(load((tls / "ca.crt").read_bytes()))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "fl.example.org" in names.get_values_for_type(x509.DNSName)
    assert (tls / "server.crt").read_bytes() != before
    assert expiry_warning(tmp_path, ends - timedelta(days=31)) is None
    for days, word in ((20, "in 20 days"), (5, "SOON: "), (0, "TODAY: "), (-2, "no hospital can")):
        assert word in (expiry_warning(tmp_path, ends - timedelta(days=days)) or "")


def test_a_name_or_a_key_is_enrolled_once(tmp_path: Path) -> None:
    for name in ("north", "south"):
        create_identity(tmp_path / name, name)
    enrol(tmp_path, "north", tmp_path / "north" / "identity.pub")
    enrol(tmp_path, "north", tmp_path / "north" / "identity.pub")  # the same again is no fault

    with pytest.raises(ConfigError, match="north is enrolled with another key"):
        enrol(tmp_path, "north", tmp_path / "south" / "identity.pub")
    with pytest.raises(ConfigError, match="under another name"):
        enrol(tmp_path, "south", tmp_path / "north" / "identity.pub")
    with pytest.raises(ConfigError, match=r"the name '\.\./x'"):
        enrol(tmp_path, "../x", tmp_path / "south" / "identity.pub")
    with pytest.raises(LinkError, match=r"ask for identity\.pub"):
        enrol(tmp_path, "south", tmp_path / "south" / "identity.key")


def test_the_name_beside_the_keys_is_the_one_that_the_hospital_answers_to(tmp_path: Path) -> None:
    keys = tmp_path / "identity.pub"
    lines = create_identity(tmp_path, "my-hospital")
    assert name_beside(keys) == "my-hospital"

    renamed = create_identity(tmp_path, "north")  # medfl-client init, once site.yaml says so

    assert name_beside(keys) == "north"
    assert fingerprint(renamed) == fingerprint(lines)
    keys.write_text("\n".join(" ".join(line.split()[:2]) for line in lines))
    assert name_beside(keys) == ""


def test_the_servers_certificate_stands_before_the_studys_authority_only(tmp_path: Path) -> None:
    create_authority(tmp_path / "a", "study", "fl.example.org")
    create_authority(tmp_path / "b", "study", "fl.example.org")
    load = x509.load_pem_x509_certificate
    server = load((tmp_path / "a" / "tls" / "server.crt").read_bytes())
    own, other = (load((tmp_path / n / "tls" / "ca.crt").read_bytes()) for n in "ab")

    server.verify_directly_issued_by(own)
    with pytest.raises(InvalidSignature):
        server.verify_directly_issued_by(other)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "fl.example.org" in names.get_values_for_type(x509.DNSName)
    for key in ("ca.key", "server.key"):
        assert (tmp_path / "a" / "tls" / key).stat().st_mode & 0o777 == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        tmp_path / "a" / "tls" / "server.crt", tmp_path / "a" / "tls" / "server.key"
    )
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_study_is_made_once_and_its_plan_stays(tmp_path: Path, make_plan: MakePlan) -> None:
    study = create_study(tmp_path / "s", make_plan())

    with pytest.raises(RunError, match="holds a study already"):
        create_study(tmp_path / "s", make_plan())
    assert open_study(tmp_path / "s").run == study.run
    (tmp_path / "s" / "plan.yaml").write_text(make_plan(training={"lr": 0.5}).read_text())
    with pytest.raises(RunError, match="was changed after the study was made"):
        open_study(tmp_path / "s")


def test_two_servers_do_not_share_a_directory(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match="in use by process"), locked(tmp_path):
        pass
