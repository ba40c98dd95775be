"""The hospital's side: everything that may see a pixel or a patient.

A task's way, room by room; a room imports only from the rooms above it:

1. `config` reads site.yaml, the policy and the site's keys.
2. `connection` reaches the coordinator and keeps Flower's client alive.
3. `data` turns a folder of DICOM files into an index, a cache and batches.
4. `egress` decides, inspects, signs and records what leaves.
5. `training` trains and scores one model on those batches.
6. `task` answers one message: permit, score, train, release.
7. `first_look` asks what the data are; `readiness`, `audit`, `model_use`, `doctor` show a person
   what is there.
8. `commands` has one file per command; `cli` names them.
"""

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported
