"""The manifest: what went into a result, so that it can be made again to the same digits."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .case import Case
from .inputs.held import few

PACKAGES = ("abnormal", "numpy", "scipy", "pandas", "statsmodels", "exchange-calendars", "pyarrow", "arch")
# Models that explain returns above the riskless rate.
IN_EXCESS = ("capm", "capm_zero", "ff3", "carhart4", "ff5", "ff6")


def manifest_of(case: Case) -> dict[str, Any]:
    """Digests of spec and data, sources with retrieval time, package versions and the seed; no clock, no path."""
    spec = case.spec
    return {
        "spec_digest": spec.digest,
        "seed": spec.seed,
        "data": {t: _ticker(case, t) for rec in case.recordings.values() for t in sorted(rec.bars)},
        "frames": _given(case),
        "versions": package_versions(),
        "compat": spec.compat,
    }


def input_notes(case: Case) -> list[str]:
    """What was done to the inputs on reading them, and what they lack, each thing said once."""
    kinds: dict[str, list[str]] = {}
    for rec in case.recordings.values():
        for ticker, basis in rec.bases.items():
            if basis == "price":
                kinds.setdefault("price return (no dividends)", []).append(ticker)
        for bars in rec.bars.values() if case.request.source.own_dates else ():
            for said in filter(None, bars.meta.get("notes", "").split("\n")):
                kinds.setdefault(said, []).append("")
    notes = [f"{few(tickers)}: {what}" if any(tickers) else f"prices: {what}" for what, tickers in kinds.items()]
    factors = case.request.given.factors
    if factors is not None:
        notes += [f"factors: {said}" for said in factors.notes]
    if factors is None or factors.rf is None:
        asking = sorted({m for m in case.ar.model if m in IN_EXCESS})
        if asking:
            notes.append(f"{', '.join(asking)}: no riskless rate (RF) was given; it counts as zero")
    return notes


def package_versions() -> dict[str, str]:
    """Installed versions of the packages a number may depend on."""
    out = {}
    for name in PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def _ticker(case: Case, ticker: str) -> dict[str, str]:
    source = case.request.source
    for rec in case.recordings.values():
        if ticker in rec.bars:
            bars = rec.bars[ticker]
            known = {k: bars.meta[k] for k in ("source", "retrieved", "adjustment") if bars.meta.get(k)}
            first, last = (str(bars.time[0])[:10], str(bars.time[-1])[:10]) if len(bars) else ("", "")
            basis = {"basis": rec.bases[ticker]} if ticker in rec.bases else {}
            return {"sha256": source.digest(ticker, case.spec.freq), "first": first, "last": last, **basis, **known}
    return {}


def _given(case: Case) -> dict[str, str]:
    """Digests of benchmark, industry and factors handed over as frames."""
    import hashlib

    given = case.request.given
    out = {}
    for name, frame in (("benchmark", given.benchmark), ("industry", given.industry)):
        if frame is not None:
            blob = frame[0].astype("datetime64[D]").astype("<i8").tobytes() + np.asarray(frame[1], "<f8").tobytes()
            out[name] = hashlib.sha256(blob).hexdigest()
    if given.factors is not None:
        out["factors"] = given.factors.digest
    return out
