"""JSON Schema of the plan: completion and checks in editors."""

import json
from typing import Any

from tools.reference.algorithms import names

from medfl_common.models import MODELS
from medfl_common.plan.plan import Plan
from medfl_common.wire.codecs import CODECS


def schema() -> str:
    """Give the schema with descriptions, and the names of parts where a plan names them."""
    made: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    made |= Plan.model_json_schema()
    groups = made["$defs"]
    groups["ModelChoice"]["properties"]["name"]["enum"] = MODELS.names()
    groups["Federation"]["properties"]["strategy"]["enum"] = names()
    groups["Messages"]["properties"]["update"]["enum"] = ["float32", *CODECS.names()]
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
