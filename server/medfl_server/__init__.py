"""The coordinator's side: it sees updates and counts, never images.

A round's way, room by room; a room imports only from the rooms above it:

1. `roster` knows the hospitals and their keys; `study` is the run directory.
2. `superlink` runs Flower's SuperLink behind the only public port.
3. `aggregation` admits replies and joins their updates by the plan's strategy.
4. `reports` turns the run log into pages; `export` the model into files.
5. `rounds` is the loop: ask, collect, aggregate, checkpoint, log.
6. `steering` is what people do to a study, by a command or by a button of a console.
7. `planning` makes a plan of answers; `doctor`, `commands` and `cli` face the coordinator's staff.
"""

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported
