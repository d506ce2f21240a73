"""How many estimation days were news days themselves?"""

from __future__ import annotations

import numpy as np

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS


@CHECKS.add("contamination", reference="doi:10.1016/j.jcorpfin.2006.09.001", order=12)
def contamination(given: CheckInput) -> CheckResult:
    """Share of estimation sessions within one session of another catalogue event; they are kept and counted."""
    share = given.contaminated / np.maximum(given.ar.m, 1)
    i = int(np.argmax(share))
    text = (
        f"{int(given.contaminated[i])} of {int(given.ar.m[i])} estimation sessions of {given.labels[i]} lie within one "
        "session of another catalogue event; they are kept, and the robustness table shows the estimate without them."
    )
    return CheckResult("contamination", None, text)
