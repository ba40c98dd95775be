"""What two persons must approve is approved by two, each as themselves, for what it is now."""

from pathlib import Path

import pytest

from medfl_common.console.doors import Visitor
from medfl_common.console.two_persons import LASTS_S, TwoPersons
from medfl_common.console.users import Users, put_user, remove_user
from medfl_common.errors import ConfigError

ROLES = ("data manager", "security officer")
ADA = Visitor("Ada", "data manager", "password")
BEN = Visitor("Ben", "security officer", "proxy")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console" / "words.json"


@pytest.mark.parametrize(("first", "second"), [(ADA, BEN), (BEN, ADA)])
def test_two_people_of_the_two_roles_approve_in_any_order(
    path: Path, first: Visitor, second: Visitor
) -> None:
    assert TwoPersons(path, ROLES).agree("approve", "hash", first) is None
    waiting = TwoPersons(path, ROLES).waiting("approve", "hash")
    both = TwoPersons(path, ROLES).agree("approve", "hash", second)

    assert waiting is not None
    assert waiting.who == first.who
    assert both is not None
    assert [word.who for word in both] == [first.who, second.who]
    assert path.stat().st_mode & 0o777 == 0o600
    assert TwoPersons(path, ROLES).agree("approve", "hash", second) is None  # both words are used


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (ADA, "a second person"),
        (Visitor("Ada", "security officer", "password"), "a second person"),
        (Visitor("Cleo", "data manager", "password"), "needs a security officer now"),
        (Visitor("Ben", "security officer", "link"), "a link is no proof"),
        (Visitor("Ben", "viewer", "password"), "needs a data manager and a security officer"),
    ],
)
def test_the_same_person_role_a_link_or_a_viewer_is_no_second_word(
    path: Path, second: Visitor, told: str
) -> None:
    two = TwoPersons(path, ROLES)
    two.agree("approve", "hash", ADA)

    with pytest.raises(ConfigError, match=told):
        two.agree("approve", "hash", second)

    assert two.agree("approve", "hash", BEN) is not None  # the first word still stands


def test_a_word_counts_for_one_thing_as_it_is_and_for_a_week(path: Path) -> None:
    now = [1e9]
    two = TwoPersons(path, ROLES, lambda: now[0])
    for what, subject in (("approve", "a"), ("approve", "b"), ("withdraw", "c")):
        two.agree(what, subject, ADA)
    two.take_back("approve", "b")

    assert two.agree("approve", "another hash", BEN) is None
    assert two.agree("withdraw", "a", BEN) is None
    assert two.waiting("approve", "b") is None
    now[0] += LASTS_S + 1
    assert two.agree("approve", "a", BEN) is None


def test_a_damaged_file_gives_no_approval(path: Path) -> None:
    two = TwoPersons(path, ROLES)
    two.agree("approve", "hash", ADA)
    path.write_text('{"approve hash": ["Ada"]}')

    assert two.agree("approve", "hash", BEN) is None


@pytest.mark.parametrize("what", ["removed", "another role"])
def test_the_word_of_who_is_no_longer_what_they_were_counts_no_more(
    path: Path, tmp_path: Path, what: str
) -> None:
    file = tmp_path / "console.yaml"
    put_user(file, "Ada", "data manager", "")
    put_user(file, "Ben", "security officer", "")
    two = TwoPersons(path, ROLES, mark_of=Users(file, [*ROLES, "viewer"]).mark_of)
    two.agree("approve", "hash", ADA)
    assert two.waiting("approve", "hash") is not None

    if what == "removed":
        remove_user(file, "Ada")
    else:
        put_user(file, "Ada", "viewer", "")

    assert two.waiting("approve", "hash") is None
    assert two.agree("approve", "hash", BEN) is None
