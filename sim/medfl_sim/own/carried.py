"""Own parts carried to the processes of a Ray cluster, which have no script of them.

The parts go by value, the modules too in which they are written: the cluster's machines need not
have the script. Plugins are installed there, and looked at and imported there.
"""

import sys
from typing import Any

from medfl_common.plan.graph_files import here, put
from medfl_common.plugins.loading import load, loaded
from medfl_common.registry import add_parts, parts_from_elsewhere
from medfl_sim.own.use import own_modules


def packed(cloudpickle: Any, content: object) -> bytes:
    """Pickle own parts, and what is to run with them."""
    parts = parts_from_elsewhere()
    names = own_modules() | {str(getattr(part, "__module__", "")) for _, _, part in parts}
    for name in sorted(names - {"__main__"}):
        if name in sys.modules and name.split(".")[0] not in ("medfl_common", "medfl_sim"):
            cloudpickle.register_pickle_by_value(sys.modules[name])
    inner = cloudpickle.dumps((parts, here(), content))
    packed: bytes = cloudpickle.dumps((loaded(), inner))
    return packed


def unpacked(cloudpickle: Any, data: bytes) -> Any:
    """Make the parts known in this process, and give what is to run."""
    plugins, inner = cloudpickle.loads(data)
    load(plugins)
    parts, graphs, content = cloudpickle.loads(inner)
    add_parts(parts)
    for data_ in graphs:
        put(data_)
    return content
