"""Errors have fields, and nobody parses their sentences."""

import ast
import pickle
from pathlib import Path

import pytest
from flwr.app import Array, ArrayRecord
from tests.conftest import ROOT

from medfl_common import errors
from medfl_common.errors import CODES, ConfigError, DataError, LinkError, MedflError, kind_of
from medfl_common.ui.screen import errors_for_people
from medfl_common.wire.tensors import FLAT, decode_weights

PACKAGES = [ROOT / side / f"medfl_{side}" for side in ("common", "client", "server", "sim")]
PARSING = {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "find"}
TORCH_HAS_NO_TYPE_FOR_IT = "client/medfl_client/training/step.py"


def is_text_of_an_error(node: ast.AST, caught: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "str"
        and any(isinstance(word, ast.Name) and word.id in caught for word in node.args)
    )


def parses_a_sentence(node: ast.AST, caught: set[str]) -> bool:
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return is_text_of_an_error(node.comparators[0], caught)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    at_semicolon = any(isinstance(a, ast.Constant) and a.value in ("; ", ";") for a in node.args)
    is_parser = node.func.attr in PARSING
    return is_parser and (at_semicolon or is_text_of_an_error(node.func.value, caught))


def test_no_module_splits_or_searches_the_sentence_of_an_error() -> None:
    found = []
    for path in (path for package in PACKAGES for path in package.rglob("*.py")):
        nodes = [*ast.walk(ast.parse(path.read_text()))]
        caught = {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name} | {"error"}
        name = str(path.relative_to(ROOT))
        found += [f"{name}:{n.lineno}" for n in nodes if parses_a_sentence(n, caught)]

    assert [place.rsplit(":")[0] for place in found] == [TORCH_HAS_NO_TYPE_FOR_IT], found


def test_an_error_keeps_its_fields_on_its_way_between_processes() -> None:
    sent = DataError("3 files are empty", todo="export them", who="the hospital", data="none left")

    came = pickle.loads(pickle.dumps(sent))

    assert (came.what, came.todo, came.who, came.data) == (
        "3 files are empty",
        "export them",
        "the hospital",
        "none left",
    )
    assert str(came) == "3 files are empty; none left; export them"


def test_a_person_reads_what_is_wrong_what_became_of_the_data_and_who_acts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="1"), errors_for_people():
        raise ConfigError(
            "the disk is full", todo="free 2 GB", who="your IT department", data="nothing was sent"
        )

    assert capsys.readouterr().err == (
        "medfl: the disk is full (MEDFL-E100)\n"
        "Data: nothing was sent\n"
        "To do, your IT department: free 2 GB\n"
    )


def test_each_kind_of_error_has_a_code_a_meaning_and_a_sentence_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, MedflError)}

    assert codes == CODES.keys()
    assert len({kind_of(code) for code in codes}) == len(codes)
    assert all(code.meaning and code.todo for code in CODES.values())


def test_nothing_says_the_name_of_a_python_exception_to_a_person() -> None:
    """`type(error).__name__` stands where who mends medfl reads it, and nowhere else."""
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in Path(package).rglob("*.py")
        if "type(error).__name__" in path.read_text()
    }

    assert found == {"common/medfl_common/ops/checks.py"}


def test_the_text_of_an_array_header_from_the_other_end_is_not_repeated() -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'canary': (1,)}".ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(4)
    forged = ArrayRecord({FLAT: Array("float32", (1,), "numpy.ndarray", data)})

    with pytest.raises(LinkError, match=r"do not begin as float32 \(1,\) does$"):
        decode_weights(forged, {"w": (1,)}, None)
