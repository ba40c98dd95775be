"""The keys of a site: made once, and never in the place of others."""

from pathlib import Path

import pytest

from medfl_client.config.identity import create_identity, replace_identity
from medfl_common.errors import LinkError

KEYS = ("identity.key", "signing.key")


def private(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in KEYS if (folder / name).exists()]


def test_a_lost_identity_pub_comes_back_from_the_private_keys_which_stay(tmp_path: Path) -> None:
    lines, before = create_identity(tmp_path, "north"), private(tmp_path)
    (tmp_path / "identity.pub").unlink()

    assert create_identity(tmp_path, "north") == lines
    assert private(tmp_path) == before


@pytest.mark.parametrize("kept", KEYS)
def test_a_start_that_was_killed_between_two_keys_goes_on(kept: str, tmp_path: Path) -> None:
    create_identity(tmp_path, "north")
    for name in {*KEYS, "identity.pub"} - {kept}:
        (tmp_path / name).unlink()
    before = private(tmp_path)

    create_identity(tmp_path, "north")

    assert (tmp_path / kept).read_bytes() == before[0]
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in KEYS)


def test_what_is_no_key_of_ours_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_text("somebody's file")

    with pytest.raises(LinkError, match="is not the key that medfl-client init made"):
        create_identity(tmp_path, "north")

    assert (tmp_path / "identity.key").read_text() == "somebody's file"


def test_a_lost_private_key_is_named_and_new_keys_replace_what_is_left(tmp_path: Path) -> None:
    before = create_identity(tmp_path, "north")
    (tmp_path / "signing.key").unlink()

    with pytest.raises(LinkError, match=r"signing\.key is missing; put it back from a copy"):
        create_identity(tmp_path, "north")
    after = replace_identity(tmp_path, "north")

    assert not {*before} & {*after}
    assert len([*tmp_path.glob("identity.key.until-*")]) == 1
