"""Other packages' conventions, set in bulk: for comparing a number, never a recommendation (M 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from .domain import AbnormalReturns


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a package does differently: variants by test, the divisor of sigma, residual alignment, the CAAR."""

    variants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sigma_m1: bool = False
    rbar: str = "calendar"
    caar: str = "mean_car"
    market_adjusted_fec: bool = False
    says: str = ""


COMPAT: Mapping[str, Conventions] = MappingProxyType(
    {
        "estudy2": Conventions(
            {"patell": "patell_sum", "bmp": "full", "gen_sign": "pooled", "cda": "lamb", "corrado": "mean_square"},
            sigma_m1=True,
            says="estudy2 1494638: sigma with divisor M - 1, pooled sign share, Lamb's variance",
        ),
        "r_eventstudy": Conventions(
            {
                "t_car": "fec_none", "patell": "patell_sum", "bmp": "fec_none", "kp_bmp": "event", "kp_patell": "event",
                "gen_sign": "by_firm", "sign": "zeros_negative", "corrado": "centred", "corrado_multi": "centred",
                "corrado_zivney": "centred", "wild": "firm", "portfolio_t": "fec_none",
            },
            rbar="event", caar="sum_aar", market_adjusted_fec=True,
            says="EventStudy (R) 0.66: sigma without forecast error, correlation in event time, CAAR as the sum of AARs",
        ),
        "wrds": Conventions(
            {"t_car": "fec_none", "patell": "wrds", "bmp": "fec_none", "gen_sign": "mean"},
            says="WRDS macro as ported in event-study-toolkit: CAR / (s sqrt(L)), no nu / (nu - 2)",
        ),
        "est": Conventions(
            {"patell": "patell_sum", "bmp": "patell_sum", "cda": "m2"},
            says="EventStudyTools, from its documentation: SAR sums, crude dependence adjustment with divisor M - 2",
        ),
    }
)  # fmt: skip


def conventions(name: str | None) -> Conventions:
    """The conventions of a package by its name in `StudySpec.compat`; ours for None."""
    return Conventions() if name is None else COMPAT[name]


def adopted(ar: AbnormalReturns, rules: Conventions) -> AbnormalReturns:
    """Abnormal returns with the package's residual standard deviation and forecast error."""
    if rules.sigma_m1:
        ar = replace(ar, sigma=ar.sigma * np.sqrt(ar.df / np.maximum(ar.m - 1, 1)), cache={})
    if rules.market_adjusted_fec and set(ar.model) == {"market_adjusted"}:
        inflated = ar.noise * (1.0 + 1.0 / np.maximum(ar.m, 1))[:, None]
        ar = replace(ar, noise=inflated, cache={})
    return ar
