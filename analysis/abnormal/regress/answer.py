"""RegressionResult: coefficients with the standard errors the design allows, around a statsmodels results object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..domain import Excluded, FloatArray, TestStatus, Window
from ..kernel import dist

Frame = pd.DataFrame
SHOWN = 5  # exclusions printed one by one


@dataclass(frozen=True, slots=True, eq=False)
class RegressionResult:
    """What a regression answers: estimates, how sure, and whether the design lets the standard errors stand.

    `params`, `bse`, `tvalues`, `pvalues`, `conf_int()`, `summary()`, `to_frame()`, `to_latex()` read as in statsmodels;
    everything else a statsmodels results object has (rsquared, resid, predict, t_test, ...) is found on it too, through
    `fit`. status: `ok`; `invalid` = printed, but the design breaks these standard errors; `not_applicable` = there is
    nothing to print; `reason` says why. Units: outcome in decimal returns per unit of the characteristic.

    coef, se, statistic, p (k,); null (m, k) values of |statistic * unit| under no effect where p is by ranks or bootstrap,
    unit (k,) turns them into outcome units. `beside`: the same coefficients under other standard errors.
    """

    formula: str
    cov: str
    window: Window | None
    names: tuple[str, ...]
    coef: FloatArray
    se: FloatArray
    statistic: FloatArray
    p: FloatArray
    df: float
    n: int
    distribution: str
    level: float = 0.05
    alternative: str = "two-sided"
    status: TestStatus = "ok"
    reason: str = ""
    fit: Any = None
    null: FloatArray | None = None
    unit: FloatArray | None = None
    notes: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    beside: Frame | None = None
    title: str = "Regression of abnormal returns"

    @classmethod
    def none(
        cls, formula: str, cov: str, window: Window | None, reason: str, n: int = 0, **more: Any
    ) -> RegressionResult:
        """A regression that cannot be run is an answer: no coefficients, and why."""
        empty = np.empty(0)
        return cls(
            formula, cov, window, (), empty, empty, empty, empty, np.nan, n, "", status="not_applicable", reason=reason,
            **more,
        )  # fmt: skip

    def but(self, **changes: Any) -> RegressionResult:
        """The same answer with some fields changed."""
        return replace(self, **changes)

    # ------------------------------------------------------------------------------------------------ as statsmodels

    def _series(self, values: FloatArray, name: str) -> pd.Series:
        return pd.Series(values, index=list(self.names), name=name, dtype=float)

    @property
    def params(self) -> pd.Series:
        """Coefficients."""
        return self._series(self.coef, "coef")

    @property
    def bse(self) -> pd.Series:
        """Standard errors."""
        return self._series(self.se, "se")

    @property
    def tvalues(self) -> pd.Series:
        """Coefficients over their standard errors."""
        return self._series(self.statistic, "t")

    @property
    def pvalues(self) -> pd.Series:
        """p-values of the coefficients, by the distribution named in `distribution`."""
        return self._series(self.p, "p")

    @property
    def nobs(self) -> float:
        """Observations in the regression."""
        return float(self.n)

    def conf_int(self, alpha: float | None = None) -> Frame:
        """Intervals of level 1 - alpha: the effects the test does not reject. Unbounded where ranks are too few."""
        level = self.level if alpha is None else alpha
        if self.null is None or self.unit is None:
            half = dist.student_quantile(1.0 - level / 2.0, self.df) * self.se
        else:
            half = _rank_quantile(self.null, level) * self.unit
        index = list(self.names)
        return Frame({"ci_low": self.coef - half, "ci_high": self.coef + half}, index=index, dtype=float)

    def __getattr__(self, name: str) -> Any:
        # Only reached where the answer has no such attribute itself.
        if name.startswith("_") or self.fit is None:
            raise AttributeError(
                f"this regression has no attribute {name!r}" + (f": {self.reason}" if self.reason else "")
            )
        return getattr(self.fit, name)

    # ------------------------------------------------------------------------------------------------ saying it

    def to_frame(self) -> Frame:
        """One row a coefficient: term, coef, se, t, p, ci_low, ci_high, df, n, cov, status, reason."""
        interval = self.conf_int()
        return Frame(
            {
                "term": list(self.names), "coef": self.coef, "se": self.se, "t": self.statistic, "p": self.p,
                "ci_low": interval["ci_low"].to_numpy(), "ci_high": interval["ci_high"].to_numpy(), "df": self.df,
                "n": self.n, "cov": self.cov, "status": self.status, "reason": self.reason,
            }
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values, NaN as None, for JSON."""
        from ..result import plain, records

        return {
            "formula": self.formula, "cov": self.cov, "window": None if self.window is None else list(self.window),
            "n": self.n, "df": plain(self.df), "distribution": self.distribution, "status": self.status,
            "reason": self.reason, "coefficients": records(self.to_frame()), "notes": list(self.notes),
            "excluded": [{"what": x.what, "reason": x.reason, "remedy": x.remedy} for x in self.excluded],
            "beside": [] if self.beside is None else records(self.beside), "facts": plain(dict(self.facts)),
        }  # fmt: skip

    def summary(self) -> Any:
        """A statsmodels Summary: `print(...)`, `.as_text()`, `.as_latex()`, `.as_html()`."""
        from statsmodels.iolib.summary2 import Summary

        out = Summary()
        out.add_title(self.title)
        out.add_dict(self._head(), ncols=2)
        if self.names:
            out.add_df(self._table().map(lambda v: f"{v:.6g}"))
        for line in self._sentences():
            out.add_text(line)
        return out

    def to_latex(self, caption: str = "", label: str = "") -> str:
        """A booktabs table for a paper, its standard errors and status named below."""
        rows = [" & ".join(_tex(v) for v in row) + r" \\" for row in self._printed_rows()]
        head = " & ".join(["", "Coef.", "Std. err.", "$t$", "$p$", "Low", "High"]) + r" \\"
        foot = _tex(f"{self.formula}; n = {self.n}; standard errors: {self.cov}; {self.distribution}.")
        said = [_tex(self.reason)] if self.reason else []
        lines = [
            r"\begin{table}[htbp]", r"\centering", *([rf"\caption{{{_tex(caption)}}}"] if caption else []),
            *([rf"\label{{{label}}}"] if label else []), r"\begin{tabular}{lrrrrrr}", r"\toprule", head, r"\midrule", *rows,
            r"\bottomrule", r"\end{tabular}", r"\par\smallskip\footnotesize " + " ".join([foot, *said]), r"\end{table}",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        head = "  ".join(f"{k} {v}".strip() for k, v in self._head().items())
        lines = [self.title, head]
        if self.names:
            lines += ["", self._table().to_string(float_format=lambda v: f"{v:.6g}")]
        return "\n".join([*lines, "", *self._sentences()]).rstrip() + "\n"

    def _repr_html_(self) -> str:
        body = self._table().to_html(float_format=lambda v: f"{v:.6g}") if self.names else ""
        said = "".join(f"<p>{_html(line)}</p>" for line in self._sentences())
        return f"<h4>{_html(self.title)}</h4><p><code>{_html(self.formula)}</code></p>{body}{said}"

    def _head(self) -> dict[str, str]:
        out = {"Formula:": self.formula, "Observations:": str(self.n), "Std. errors:": self.cov}
        if self.window is not None:
            out["Window:"] = f"({self.window[0]}, {self.window[1]})"
        if self.distribution:
            out["Null:"] = self.distribution
        out["Status:"] = self.status
        return out

    def _table(self) -> Frame:
        interval = self.conf_int()
        values = {"coef": self.coef, "se": self.se, "t": self.statistic, "p": self.p}
        ends = {"low": interval["ci_low"].to_numpy(), "high": interval["ci_high"].to_numpy()}
        return Frame(values | ends, index=list(self.names))

    def _printed_rows(self) -> list[list[str]]:
        return [[str(name), *(f"{v:.4g}" for v in row)] for name, *row in self._table().itertuples(name=None)]

    def _sentences(self) -> list[str]:
        """Status first, then what was left out, the other standard errors and the notes."""
        out = []
        if self.status == "invalid":
            out.append(f"INVALID: {self.reason}.")
        elif self.reason:
            out.append(f"{self.reason[:1].upper()}{self.reason[1:]}.")
        for x in self.excluded[:SHOWN]:
            out.append(f"Left out: {x.what}: {x.reason}." + (f" Remedy: {x.remedy}" if x.remedy else ""))
        if len(self.excluded) > SHOWN:
            out.append(f"... and {len(self.excluded) - SHOWN} more left out.")
        if self.beside is not None and len(self.beside):
            out.append("Other standard errors: " + "; ".join(_beside_line(self.beside)) + ".")
        return out + [f"{note[:1].upper()}{note[1:]}." for note in self.notes]


def _beside_line(beside: Frame) -> list[str]:
    out = []
    for cov, part in beside.groupby("cov", sort=False):
        terms = ", ".join(f"{t}: se {s:.4g}, p {p:.3g}" for t, s, p in zip(part["term"], part["se"], part["p"]))
        said = "" if part["status"].iloc[0] == "ok" else f" ({part['status'].iloc[0]})"
        out.append(f"{cov}{said} {terms}")
    return out


def _rank_quantile(null: FloatArray, level: float) -> FloatArray:
    """Per coefficient the j-th largest null value, j = floor(level (m + 1)): effects beyond it have p <= level."""
    m, k = null.shape
    # The small lift keeps 0.05 * 100 = 5.000000000000001 and its like on the right side of the floor.
    j = int(np.floor(level * (m + 1) + 1e-9))
    return np.full(k, np.inf) if j < 1 else np.sort(np.abs(null), axis=0)[::-1][j - 1]


def _tex(value: object) -> str:
    text = str(value)
    for mark, safe in (
        ("\\", r"\textbackslash{}"),
        ("_", r"\_"),
        ("%", r"\%"),
        ("&", r"\&"),
        ("#", r"\#"),
        ("~", r"$\sim$"),
    ):
        text = text.replace(mark, safe)
    return text


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
