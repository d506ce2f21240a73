"""Does the share trade often enough for daily tests?"""

from __future__ import annotations

from ..domain import CheckInput, CheckResult
from ..registry import CHECKS

LIMIT = 0.10


@CHECKS.add("thin_trading", reference="doi:10.1016/0378-4266(93)90023-7", order=13)
def thin_trading(given: CheckInput) -> CheckResult:
    """At most 10% of estimation sessions without a trade."""
    share = float(given.thin.max())
    if share <= LIMIT:
        return CheckResult("thin_trading", True, f"{100 * share:.1f}% of estimation sessions without a trade.")
    text = (
        f'{100 * share:.0f}% of estimation sessions without a trade: use thin="trade_to_trade", the model dimson and the '
        "test corrado_zivney."
    )
    return CheckResult("thin_trading", False, text)
