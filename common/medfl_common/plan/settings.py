"""Checked settings: pydantic models whose errors a person can act on."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails
from pydantic_core.core_schema import no_info_after_validator_function

from medfl_common.errors import ConfigError
from medfl_common.plan.bounds import Value, shorten
from medfl_common.plan.strict_yaml import parse_yaml, read_yaml
from medfl_common.visible import visible

# Pydantic puts the tried part of a union into the location, a word that is not in the file.
_UNION_TAG = re.compile(
    r"dicom|fixed|percentile|WeightsFile|LastLayers|GraphLoss|(constrained-)?(int|float|str)"
    r"|(literal|list)\[.*\]"
)

MAX_FAULTS = 20  # that a message lists


@dataclass(frozen=True)
class Matching:
    """Checks a text against a pattern; messages and editors say in words what is legal."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check after the text's own checks."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        """Tell editors the pattern, and what to say where a text does not match."""
        legal = {"pattern": f"^({self.pattern})$", "patternErrorMessage": f"write {self.words}"}
        return {**handler(schema), **legal}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"write {self.words}")
        return text


MAX_MESSAGE = 500  # characters of what a person at the coordinator tells hospitals
NAME, NAME_IN_WORDS = r"[a-z0-9][a-z0-9-]{0,31}", "1 to 32 of a-z, 0-9 and -, no - in front"
Name = Annotated[str, Matching(NAME, NAME_IN_WORDS)]
Number = Annotated[float, Field(strict=False)]  # an integer may stand where a float is meant


class Settings(BaseModel):
    """A frozen group of settings; an unknown key, a wrong type or a wrong range is an error.

    The text below a key says what it means, and becomes its line in docs/reference.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )


Model = TypeVar("Model", bound=Settings)


def load(model: type[Model], path: Path) -> Model:
    """Read a YAML file into `model`, or raise ConfigError that lists every fault."""
    return check(model, read_yaml(path), source=str(path))


def loads(model: type[Model], text: str, source: str) -> Model:
    """Read YAML text into `model`; `source` names the text in messages."""
    return check(model, parse_yaml(text, source), source)


def check(model: type[Model], values: dict[str, Value], source: str) -> Model:
    """Validate values, or raise ConfigError with one line per fault."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_describe(detail, model) for detail in error.errors()[:MAX_FAULTS]]
        if error.error_count() > MAX_FAULTS:
            lines.append(f"and {error.error_count() - MAX_FAULTS} more")
        raise faulty(source, lines) from None


def faulty(source: str, lines: list[str]) -> ConfigError:
    """Make the error that lists the faults of a file, one a line."""
    return ConfigError(f"{source} has {_count(lines)}:\n  " + "\n  ".join(lines))


def _count(lines: list[str]) -> str:
    return "1 fault" if len(lines) == 1 else f"{len(lines)} faults"


def _describe(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One fault: the key, the value seen, what is legal, and the nearest right key."""
    location = [part for part in detail["loc"] if not _UNION_TAG.fullmatch(str(part))]
    key = visible(shorten(".".join(str(part) for part in location)))
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"known here: {', '.join(known)}" if known else "none is known here"
        hint = f"did you mean {near[0]!r}?" if near else hint
        return f"{key}: unknown key; {hint}"
    if detail["type"] == "missing":
        return f"{key}: missing; it must be given"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if detail["type"] == "model_type":
        message = f"it has keys of its own: {', '.join(_known_keys(model, location))}"
    if isinstance(detail["input"], dict):  # settings that do not go together
        return f"{key}: {message}" if key else message
    return f"{key or 'file'}: {shorten(repr(detail['input']))} is not allowed; {message}"


def _known_keys(model: type[BaseModel], location: list[int | str]) -> list[str]:
    """List the keys that are legal at a place in the file."""
    models: list[type[BaseModel]] = [model]
    for part in location:
        annotations = [
            m.model_fields[str(part)].annotation for m in models if part in m.model_fields
        ]
        models = [found for annotation in annotations for found in models_in(annotation)]
    return sorted({name for m in models for name in m.model_fields})


def models_in(annotation: object) -> list[type[BaseModel]]:
    """List the groups of settings that a type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments: tuple[object, ...] = getattr(annotation, "__args__", ())
    return [found for argument in arguments for found in models_in(argument)]
