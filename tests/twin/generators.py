"""The three public data sets of section 11.1. The order of the draws is part of the data: change nothing here."""

import math

import numpy as np


def make_clustered(seed, n_days=300, n_firms=8, event_pos=270):
    """Eight firms, one common event date, a common shock, gaps in firm 6 and a short history in firm 7."""
    rng = np.random.default_rng(seed)
    rm = 0.0003 + 0.012 * rng.standard_normal(n_days)
    smb = 0.006 * rng.standard_normal(n_days)
    hml = 0.006 * rng.standard_normal(n_days)
    rf = np.full(n_days, 0.0001)
    common = 0.008 * rng.standard_normal(n_days)
    beta = 0.6 + 1.2 * rng.random(n_firms)
    alpha = 0.0004 * rng.standard_normal(n_firms)
    sig = 0.015 + 0.02 * rng.random(n_firms)
    sl = rng.standard_normal(n_firms) * 0.4
    hl = rng.standard_normal(n_firms) * 0.4
    eps = rng.standard_t(5, size=(n_days, n_firms)) / math.sqrt(5 / 3)
    r = alpha + np.outer(rm, beta) + np.outer(smb, sl) + np.outer(hml, hl) + common[:, None] + eps * sig
    for j, e in enumerate([0.00, 0.01, 0.03, 0.01, 0.00]):  # tau = -1..3
        r[event_pos - 1 + j] += e * (0.5 + rng.random(n_firms))
    r, rm, smb, hml = (np.round(x, 8) for x in (r, rm, smb, hml))
    r[[100, 101, 150, 222, event_pos + 2], 6] = np.nan  # gaps, one inside the window
    r[:200, 7] = np.nan  # short history, M = 60
    return dict(ret=r, mkt=rm, smb=smb, hml=hml, rf=rf, event_pos=event_pos)


def make_dispersed(seed, n_days=600, n_firms=20):
    """Twenty firms, twenty event dates, independent errors."""
    rng = np.random.default_rng(seed)
    rm = np.round(0.0003 + 0.011 * rng.standard_normal(n_days), 8)
    pos = np.sort(rng.choice(np.arange(300, 580), size=n_firms, replace=False))
    beta = 0.5 + rng.random(n_firms)
    sig = 0.01 + 0.02 * rng.random(n_firms)
    r = np.outer(rm, beta) + sig * rng.standard_normal((n_days, n_firms))
    for i, p in enumerate(pos):
        r[p - 1 : p + 2, i] += np.array([0.0, 0.02, 0.005]) + 0.02 * rng.standard_normal(3)
    return dict(ret=np.round(r, 8), mkt=rm, pos=pos.tolist())


def make_intraday(seed, n_days=30, n_bars=66, jump_day=25, jump_bar=2):
    """Thirty sessions of 66 bars with a U-shaped volatility and one planted jump."""
    rng = np.random.default_rng(seed)
    u = np.linspace(0, 1, n_bars)
    shape = 1.6 - 2.8 * u + 2.6 * u**2
    shape = shape / math.sqrt(np.mean(shape**2))
    dayvol = 0.03 * np.exp(0.2 * rng.standard_normal(n_days))
    r = dayvol[:, None] / math.sqrt(n_bars) * shape * rng.standard_normal((n_days, n_bars))
    r[jump_day, jump_bar] += 0.18
    overnight = 0.01 * rng.standard_normal(n_days)
    overnight[jump_day] += 0.05
    return dict(r=np.round(r, 8), overnight=np.round(overnight, 8), jump_day=jump_day, jump_bar=jump_bar)
