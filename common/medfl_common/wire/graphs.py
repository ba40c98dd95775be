"""What a plan brings as data, on its way: a record beside the task, to a site that lacks it."""

from flwr.app import ConfigRecord, RecordDict

from medfl_common.plan.graph_files import graph_files
from medfl_common.plan.packed_graphs import deflated, take_packed
from medfl_common.plan.plan import Plan

GRAPHS = "graphs"  # the record: SHA-256 of a file -> the file, deflated (RFC 1950)


def pack_graphs(plan: Plan) -> ConfigRecord:
    """Pack the plan's files."""
    return ConfigRecord({one.sha256: deflated(one.sha256) for one in graph_files(plan)})


def unpack_graphs(message: RecordDict, plan: Plan) -> None:
    """Keep in this process what came with a task, and this process lacks.

    Raises LinkError where it is another file than the plan's, or larger than one may be.
    """
    take_packed(message.config_records.get(GRAPHS, ConfigRecord()), plan)
