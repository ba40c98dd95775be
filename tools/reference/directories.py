"""The files of a run directory and of a site directory; a test holds real ones against it."""

from tools.reference.markdown import code, page, table

INTRO = """`RUN` stands for the id of a run (32 hex digits), `NNNN` for a round, `SITE` for the name
of a hospital, `FOLD` for the number of a fold and `HASH` for a hash. A path that ends with a slash
is a folder with all in it."""

# Path -> what it is. Coordinators and simulations alike write these.
RUN = {
    "plan.yaml": "the plan, as the coordinator wrote it",
    "plan-N.yaml": "a plan that the study had before `extend` or `amend`; 1 is the first",
    "pause.json": "who has paused the study, and what the hospitals are told",
    "study.json": "the run's id, the plan's hash, medfl's version",
    "log.jsonl": "the run log: one line per event; reports and pages read nothing else",
    "lock": "held by the process that works here",
    "weights.safetensors": "initial weights from a file, where the plan names one",
    "start.safetensors": "all weights that the study starts from",
    "checkpoints/round-NNNN.safetensors": "the shared weights after one of the last two rounds",
    "checkpoints/round-NNNN.state": "what the algorithm keeps at the coordinator",
    "checkpoints/round-NNNN.json": "the SHA-256 of both; written last, so a checkpoint is whole",
    "checkpoints/best-NNNN.safetensors": "the shared weights of the best round so far",
    "checkpoints/kept-NNNN.safetensors": "the shared weights of a round that the plan keeps",
    "checkpoints/kept-NNNN.state": "what the algorithm kept at the coordinator then",
    "model.safetensors": "all final weights, once the study is finished",
    "plan.json": "the plan with every default, as it is hashed",
    "reading.json": "calibration and thresholds of the model",
    "model-card.md": "what the model is for and how good it is",
    "model-card.html": "the same as a page",
    "report.html": "the study report",
    "harmony.html": "how the sites' data differ, where the plan asks for statistics",
    "sums/stretch.json": "secure sums: public keys and sealed shares of the rounds under way",
    "sums/summed.json": "whose masked numbers are in the newest sum; written before it is opened",
    "sums/total.bin": "the newest sum, still masked",
}
COORDINATOR = {
    "roster.json": "the enrolled hospitals and their public keys",
    "revoked.json": "the keys that were let out again, with name and time",
    "invitations.json": "who was invited, the hash of each code, and which keys asked with it",
    "waiting/SITE.safetensors": "an update that waits for its turn",
    "tls/ca.key": "private key of the study's authority",
    "tls/ca.crt": "its certificate, and after it `study.crt`; every hospital gets it",
    "tls/study.key": "private key that signs each task",
    "tls/study.crt": "its certificate, from the study's authority; goes with each task",
    "ledgers.json": "the last line of each hospital's ledger that was heard of, and lost ones",
    "tls/server.key": "private key of the server",
    "tls/server.crt": "certificate of the server",
    "superlink.log": "what Flower says",
    ".flwr/": "Flower's own files",
    "export/": "`medfl-server export`: the model for other programs, with its preprocessing",
}
SIMULATION = {
    "scenario.json": "partition, scanner shift and faults",
    "partition.html": "which hospital has what",
    "partition.csv": "the same, a line per hospital",
    "local/SITE/RUN/": "what a hospital keeps between rounds",
    "compare.html": "did joining help?",
    "comparison.json": "the numbers of that page",
    "baseline.yaml": "the plan of the baselines",
    "baselines/alone/SITE/": "a run directory: this hospital alone",
    "baselines/pooled/": "a run directory: all images in one place",
    "cross-site.html": "every model at every hospital (`--cross-site`)",
    "cross-site.json": "the numbers of that page",
    "leave-one-out.html": "a federation without each hospital, scored there (`--leave-one-out`)",
    "leave-one-out.json": "the numbers of that page",
    "leave-one-out.yaml": "the plan of these federations",
    "leave-one-out/SITE/": "a run directory: the federation without this hospital",
    "folds.html": "every patient tested once (`--folds`)",
    "folds.json": "the numbers of that page",
    "folds/FOLD/": "a run directory: the patients of this fold are the test part",
    "tested.json": "a hash of the patients that each fold tests",
    "not-sent.log": "what hospitals did not send, and why",
    "flower.log": "what Flower says",
    "mlflow.json": "the run in MLflow (`--log-to mlflow`)",
    "tensorboard/": "the log for TensorBoard (`--log-to tensorboard`)",
}
SITE = {
    "site.yaml": "data, device, policy; the hospital writes it",
    "ca.crt": "certificate of the study's authority; the coordinator sends it, or the invitation",
    "identity.key": "private key that signs Flower's requests; never leaves",
    "signing.key": "private key that signs replies; never leaves",
    "identity.pub": "the public halves; the coordinator enrols them",
    "plan.yaml": "a plan, where one is put here; commands take it without `--plan`",
    "readiness.html": "are the data ready? (`index`)",
    "audit.html": "what left (`audit page`)",
    "explain.html": "where the model looked (`explain`)",
    "predictions.csv": "scores or boxes of new images (`predict`); or `.json`",
    "predictions.csv.png": "the first images with a box (`predict` of a detection)",
    "outlines/volumes.csv": "which mask file is of which image, and volumes (`predict`)",
    "outlines/NUMBER.dcm": "a mask file of a model (`predict`); or `.nii.gz`, `.png`",
    "look/NUMBER/": "images of a case with its outlines (`look`)",
    "state/lock": "held by the client that runs",
    "state/index.sqlite": "what the files' headers say, with pseudonyms for patients",
    "state/mask-index.sqlite": "the same of mask files that have a folder of their own",
    "state/patients.key": "key of the patient pseudonyms; never leaves",
    "state/cache/HASH/pixels.raw": "decoded images; may be deleted, and is made again",
    "state/cache/HASH/samples.sqlite": "which image is where in it",
    "state/cache/HASH/lock": "held by who writes the cache",
    "state/left-out.csv": "every file that does not take part, and why",
    "state/ledger.jsonl": "what left: a line before each message, chained by hashes",
    "state/ledger.head": "the hash of the last line",
    "state/approvals.jsonl": "which plans were approved and withdrawn, chained by hashes",
    "state/questions.jsonl": "what was asked under which approval, chained by hashes",
    "state/questions.head": "the hash of the last line",
    "state/approvals.head": "the hash of the last line",
    "state/patient-sets/": "whose images the answers were of, by pseudonyms",
    "state/splits/": "who trains, validates and tests, by keyed hashes",
    "state/study-keys.json": "the study key that is pinned for each `ca.crt`",
    "state/statements.json": "what the coordinator signed of the ledger's last line",
    "state/steps/RUN.safetensors": "the weights answered last (`policy.model_step`)",
    "state/proposed/": "plans that came unapproved and wait",
    "state/replies/RUN.safetensors": "the last reply, for when it must be sent again",
    "state/secure/RUN/sums.key": "secrets of the newest rounds of secure sums; never leaves",
    "state/secure/RUN/journal.jsonl": "what was masked and opened there, chained by hashes",
    "state/secure/RUN/journal.head": "the hash of the last line",
    "state/local/RUN/": "layers and client state that stay here between rounds",
    "state/models/RUN/": "a study's final model: weights, plan, reading, `scores.txt`",
    "state/models/personal-RUN/": "the hospital's own model, where the algorithm makes one",
    "state/incidents.jsonl": "the texts behind incident numbers, chained by hashes",
    "state/incidents.head": "the hash of the last line",
    "state/executor.key": "secret between the client's two processes",
    "state/executor/socket": "where they meet; no other user can enter the folder",
    "state/flower.log": "what Flower says",
    "state/supernode.log": "what Flower's SuperNode says",
    "state/flwr/": "Flower's own files",
    "studies/": "a directory for each further study, of its name: as this one, but without keys, "
    "`patients.key`, `patient-sets` and `splits`, which are the hospital's",
}


def directories() -> str:
    """Give the page."""
    return page(
        "Directories",
        INTRO,
        "## Run directory",
        "The truth about a study. Whatever stops, it goes on from here.",
        _table(RUN),
        "### Only at a coordinator",
        "`medfl-server init` makes it. A study below a directory for several has no `ca.key`, "
        "`server.key` and `server.crt`: they are in `tls/` above.",
        _table(COORDINATOR),
        "### Only in a simulation",
        "`medfl-sim run` makes it.",
        _table(SIMULATION),
        "## Site directory",
        "`medfl-client join` makes it and sends what `identity.pub` holds; or `medfl-client init` "
        "makes it, and the hospital sends that file by hand. All else stays.",
        _table(SITE),
    )


def _table(files: dict[str, str]) -> str:
    return table(["file", "what it is"], [[code(path), words] for path, words in files.items()])
