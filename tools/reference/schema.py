"""JSON Schema of the plan: completion and checks in editors."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema
from tools.reference.algorithms import names

from medfl_common.models import DENSE, MODELS
from medfl_common.models.dense._tapped import ENCODERS
from medfl_common.plan.halves import objectives
from medfl_common.plan.plan import Plan
from medfl_common.wire.codecs import CODECS


class Untitled(GenerateJsonSchema):
    """A schema without titles, which only repeat the keys."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        """Leave them all out."""
        return False


def schema() -> str:
    """Give the schema with descriptions, and the names of parts where a plan names them."""
    made: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    made |= Plan.model_json_schema(schema_generator=Untitled)
    groups = made["$defs"]
    groups["ModelChoice"]["properties"]["name"]["enum"] = [*MODELS.names(), *DENSE.names()]
    groups["ModelChoice"]["properties"]["encoder"]["enum"] = [*ENCODERS, None]
    groups["Federation"]["properties"]["strategy"]["enum"] = names()
    groups["Training"]["properties"]["objective"]["enum"] = [*objectives(), None]
    groups["Messages"]["properties"]["update"]["enum"] = ["float32", *CODECS.names()]
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
