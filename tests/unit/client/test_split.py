"""Who trains, validates and tests: nobody moves when others come, go, or are labelled otherwise."""

import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from tests.unit.client.test_answer import ask

from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.parts import PARTS
from medfl_client.data.site_data import site_data
from medfl_client.data.split import Person, Sides, split, split_key
from medfl_client.data.split_notes import keep_sides, known_sides, read_sides
from medfl_client.egress import approvals
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan
from medfl_sim.data.radiograph import write_hospital

SECRET = b"a secret"


def with_evaluation(plan: Plan, **values: object) -> Plan:
    return plan.model_copy(update={"evaluation": plan.evaluation.model_copy(update=values)})


def person(name: str, label: int) -> Person:
    return Person({split_key(SECRET, b"salt", name)}, label)


def people(n: int, seed: int = 0) -> dict[str, Person]:
    rng = random.Random(seed)
    return {f"p{i}": person(f"p{i}", int(rng.random() < 0.3)) for i in range(n)}


def sides_of(persons: dict[str, Person], parts: dict[str, str]) -> Sides:
    return {key: parts[name] for name, one in persons.items() for key in one.keys}  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(20))
def test_nobody_changes_sides_while_patients_come_go_and_are_relabelled(
    seed: int, plan: Plan
) -> None:
    rng = random.Random(seed)
    persons = people(rng.choice([3, 40, 300]), seed)
    parts = split(persons, plan, {})
    sides = dict(sides_of(persons, parts))
    ever = dict(parts)
    for step in range(15):
        names = [*persons]
        rng.shuffle(names)  # files move, so persons come in another order
        for name in names[: rng.randrange(1 + len(names) // 5)]:
            del persons[name]
        persons |= {
            f"new {step} {i}": person(f"new {step} {i}", rng.randrange(2)) for i in range(4)
        }
        for name in rng.sample([*persons], len(persons) // 10):
            persons[name] = replace(persons[name], label=1 - persons[name].label)
        persons |= {f"p{step}": person(f"p{step}", 1)}  # somebody may come back
        parts = split({name: persons[name] for name in sorted(persons)}, plan, sides)
        assert {name: parts[name] for name in parts if name in ever} == {
            name: ever[name] for name in parts if name in ever
        }
        ever |= parts
        sides |= sides_of(persons, parts)


def test_a_split_is_drawn_by_class_and_one_of_each_stays_in_training(plan: Plan) -> None:
    persons = people(200)
    parts = split(persons, plan, {})

    for label in (0, 1):
        n = Counter(parts[name] for name, one in persons.items() if one.label == label)
        total = n.total()
        assert n["validation"] == round(total * plan.evaluation.validation)
        assert n["test"] == round(total * 0.15)
    assert split({"only": person("only", 0)}, plan, {}) == {"only": "train"}


def test_without_notes_one_more_of_a_thousand_moves_one_at_most(plan: Plan) -> None:
    persons = people(1000)
    before = split(persons, plan, {})
    after = split(persons | {"one more": person("one more", 0)}, plan, {})

    assert sum(before[name] != after[name] for name in before) <= 2  # of two parts


def test_a_small_site_has_no_test_part_and_keeps_its_patients_in_training(plan: Plan) -> None:
    assert "test" not in split(people(60), plan, {}).values()
    assert [*split(people(80), plan, {}).values()].count("test") >= 10


def test_a_site_that_grows_gets_a_test_part_only_when_it_is_large_enough(plan: Plan) -> None:
    persons = people(60)
    sides = sides_of(persons, split(persons, plan, {}))

    few = split(persons | {f"new {i}": person(f"new {i}", 0) for i in range(8)}, plan, sides)
    many = split(persons | {f"new {i}": person(f"new {i}", 0) for i in range(40)}, plan, sides)

    assert "test" not in few.values()
    assert [*many.values()].count("test") >= 10


def test_other_salts_give_other_splits_and_a_branch_the_same(plan: Plan) -> None:
    salt = plan.evaluation.salt(plan.study, plan.seed)
    heir = with_evaluation(plan, split_of=plan.study, split_seed=plan.seed)

    assert heir.evaluation.salt("another study", 99) == salt
    assert plan.evaluation.salt("another study", plan.seed) != salt
    assert with_evaluation(plan, split_seed=5).evaluation.salt(plan.study, plan.seed) != salt
    assert (
        split_key(SECRET, b"a", "p") != split_key(SECRET, b"b", "p") != split_key(b"k", b"b", "p")
    )


def test_two_numbers_of_one_person_end_where_more_was_seen(plan: Plan) -> None:
    one, other = person("one", 0), person("other", 0)
    joined = Person(one.keys | other.keys, 0)
    sides: Sides = {next(iter(one.keys)): "test", next(iter(other.keys)): "train"}

    assert split({"joined": joined} | people(100), plan, sides)["joined"] == "train"


def test_a_plan_without_the_new_keys_has_the_hash_that_it_had(plan: Plan) -> None:
    assert '"test"' not in plan.canonical()
    assert with_evaluation(plan, test=0.2).hash() != plan.hash()
    assert with_evaluation(plan, split_seed=plan.seed).hash() != plan.hash()


# Real files


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    write_hospital(tmp_path / "site-1", 1, 40, seed=0)
    return tmp_path / "site-1"


def read(hospital: Path, plan: Plan) -> Collection:
    return collect(hospital, hospital / "state", load_site_file(hospital).data, plan)


def test_the_parts_are_noted_and_a_new_plan_of_the_salt_has_them(
    hospital: Path, plan: Plan
) -> None:
    state = hospital / "state"
    first = site_data(read(hospital, plan), plan)
    keep_sides(state, plan, first.sides)
    heir = with_evaluation(plan, validation=0.5, split_of=plan.study, split_seed=plan.seed)
    other = heir.model_copy(update={"study": "branch", "seed": plan.seed + 1})

    branch = site_data(read(hospital, other), other, read_sides(state, other))

    assert branch.sides == first.sides  # and not half of them in validation
    assert site_data(read(hospital, other), other).sides != first.sides
    (notes,) = (state / "splits").iterdir()
    assert not any(row.patient in notes.read_text() for row in _rows(read(hospital, plan)))


def _rows(collection: Collection) -> list[object]:
    return [sample.row for sample in collection.samples]


def test_a_second_number_of_a_person_has_the_part_of_the_first_once_it_is_alone(
    hospital: Path, plan: Plan
) -> None:
    """Its image is there twice, so only the first number's takes part; later that one is gone."""
    everybody = read(hospital, plan)
    rows = [*everybody.samples]
    one = next(sample for sample in rows if sample.row.path)
    twin = hospital / "dicom" / "a-copy.dcm"
    dataset = pydicom.dcmread(hospital / "dicom" / one.row.path)
    dataset.PatientID = "another number"
    dataset.save_as(twin)
    joined = site_data(read(hospital, plan), plan).sides

    for sample in rows:
        if sample.patient == one.patient:
            (hospital / "dicom" / sample.row.path).unlink()
    alone = read(hospital, plan)

    (new,) = {sample.patient for sample in alone.samples} - {sample.patient for sample in rows}
    salt = plan.evaluation.salt(plan.study, plan.seed).encode()
    assert split_key(alone.secret, salt, new) in joined


def test_lost_notes_stop_a_site_that_has_answered(hospital: Path, plan: Plan) -> None:
    """Drawn anew, or as an earlier version drew, who tested would be trained on."""
    state, site = hospital / "state", open_site(hospital, load_site_file(hospital))
    approvals.approve(state, plan)
    reply = handle_task(ask(plan), site, Session(), print)
    assert reply.metric_records["numbers"]["code"] == 0
    sides = known_sides(state, plan, read(hospital, plan), "site-1")
    longer = plan.federation.model_copy(update={"rounds": 9})
    heir = with_evaluation(plan, split_of=plan.study, split_seed=plan.seed)
    plans = [
        plan,
        plan.model_copy(update={"federation": longer}),
        heir.model_copy(update={"study": "branch"}),
    ]
    assert [known_sides(state, one, read(hospital, one), "site-1") for one in plans] == [sides] * 3

    shutil.rmtree(state / "splits")

    for one in plans:
        with pytest.raises(DataError, match="no longer says who trained and who tests"):
            known_sides(state, one, read(hospital, one), "site-1")
    other = plan.model_copy(update={"study": "another"})
    assert known_sides(state, other, read(hospital, other), "site-1") == {}


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"parts": null}', '{"parts": {"a": [1]}}'])
def test_damaged_notes_stop_the_site(text: str, hospital: Path, plan: Plan) -> None:
    keep_sides(hospital / "state", plan, {"a": "train"})
    (notes,) = (hospital / "state" / "splits").iterdir()
    notes.write_text(text)

    with pytest.raises(DataError, match="is damaged"):
        read_sides(hospital / "state", plan)


def given(hospital: Path, part_of: dict[int, str]) -> None:
    path = hospital / "labels.csv"
    header, *lines = path.read_text().splitlines()
    rows = [f"{line},{part_of.get(i, 'train')}" for i, line in enumerate(lines)]
    path.write_text("\n".join([f"{header},split", *rows]) + "\n")
    site_file = hospital / "site.yaml"
    text = site_file.read_text()
    site_file.write_text(text.replace("data:\n", "data:\n  split: given\n", 1))


def patients(hospital: Path) -> list[str]:
    return [line.split(",")[1] for line in (hospital / "labels.csv").read_text().splitlines()[1:]]


def test_a_given_split_is_taken_as_it_is(hospital: Path, plan: Plan) -> None:
    names = patients(hospital)
    words = {
        name: ("Validation", "test", "train")[i % 3] for i, name in enumerate(sorted({*names}))
    }
    given(hospital, {i: words[name] for i, name in enumerate(names)})

    found = read(hospital, plan)
    data = site_data(found, plan)

    n = Counter(words[name].lower() for name in names)
    assert [len(data.train), len(data.validation), len(data.test)] == [n[part] for part in PARTS]


def test_a_given_split_that_tears_a_patient_or_moves_one_is_refused(
    hospital: Path, plan: Plan
) -> None:
    names = patients(hospital)
    twice = next(name for name in names if names.count(name) > 1)
    given(hospital, {names.index(twice): "test"})
    with pytest.raises(DataError, match="1 patients have images in several parts"):
        site_data(read(hospital, plan), plan)

    text = (hospital / "labels.csv").read_text()
    (hospital / "labels.csv").write_text(text.replace(",test\n", ",train\n"))
    sides = site_data(read(hospital, plan), plan).sides
    (hospital / "labels.csv").write_text(text.replace(",train\n", ",test\n"))
    with pytest.raises(DataError, match=r"moves .* patients to another part"):
        site_data(read(hospital, plan), plan, sides)


def test_another_word_than_a_part_is_told_with_its_line(hospital: Path, plan: Plan) -> None:
    given(hospital, {2: "holdout"})

    with pytest.raises(DataError, match=r"line 4 of labels\.csv says 'holdout' of the split"):
        read(hospital, plan)


def test_a_refusal_before_the_approval_is_no_answer_of_an_earlier_version(
    hospital: Path, plan: Plan
) -> None:
    """The coordinator may ask before the hospital approves; the ledger holds that refusal."""
    site = open_site(hospital, load_site_file(hospital))

    reply = handle_task(ask(plan), site, Session(), print)

    assert reply.metric_records["numbers"]["code"] != 0
    assert plan.hash() in (hospital / "state" / "ledger.jsonl").read_text()
    assert known_sides(hospital / "state", plan, read(hospital, plan), "site-1") == {}
