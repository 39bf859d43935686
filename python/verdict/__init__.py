"""Proves what a machine-learning model said, and takes it to Ethereum.

    import verdict

    setup = verdict.setup(model, data=X_train, dev_srs=True)   # keys and a Solidity verifier
    proof = setup.prove(X_test.head(1))                        # the input stays private
    setup.verify(proof)                                        # takes the public part only

``setup.deploy`` and ``setup.submit`` take it to a chain. Setups and proofs are the files of the
command line, ``verdict``.
"""

from ._evaluate import Evaluation, Group
from ._make import inspect, setup
from ._proof import Proof, Verified
from ._results import (
    SRS,
    Checked,
    Deployment,
    Inspection,
    InputRange,
    RangeTable,
    Record,
    Report,
    Solidity,
    Submission,
)
from ._setup import Setup
from ._srs import import_srs
from ._verdict import INSECURE, __version__
from .chain import Account, LocalChain
from .errors import (
    Error,
    InputError,
    InsecureSRSWarning,
    InvalidProofError,
    MissingPackageError,
    ModelError,
    PendingError,
    RejectedError,
    UnreachableError,
    UsageError,
    VerdictWarning,
)

__all__ = [
    "INSECURE",
    "SRS",
    "Account",
    "Checked",
    "Deployment",
    "Error",
    "Evaluation",
    "Group",
    "InputError",
    "InputRange",
    "InsecureSRSWarning",
    "Inspection",
    "InvalidProofError",
    "LocalChain",
    "MissingPackageError",
    "ModelError",
    "PendingError",
    "Proof",
    "RangeTable",
    "Record",
    "RejectedError",
    "Report",
    "Setup",
    "Solidity",
    "Submission",
    "UnreachableError",
    "UsageError",
    "VerdictWarning",
    "Verified",
    "__version__",
    "import_srs",
    "inspect",
    "setup",
]
