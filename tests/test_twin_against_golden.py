"""The twin against every number of the public check file, and against what the methods page prints beside it.

A block is a function that computes one branch of the file; it answers with nested dicts whose paths are those of the
file. One test per block compares every number; one test asserts that no number of the file was left out.
"""

import ast
import functools
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats

from twin import cross, generators, intraday, models, power, public, ranks, regression, resampling, single

TOLERANCE = 1e-10  # relative; numbers that are zero up to rounding absolutely
BLOCKS = {}
GIVEN = {  # estimates of an optimiser ("information only"): input of the log-likelihoods beside them
    f"clustered/other_models/garch_mle_approx/{key}" for key in ("alpha", "beta", "omega", "a", "b")
} | {
    f"clustered/other_models/garch_arch_package_approx/params/{key}"
    for key in ("Const", "x0", "omega", "alpha[1]", "beta[1]")
}
NOT_NUMBERS = {  # text in the file, said here so that the meta test can tick them off
    "clustered/generator",
    "dispersed/generator",
    "intraday/generator",
    "clustered/tests_market_model/single_window_dummy_firm0/note",
    "clustered/other_models/garch_mle_approx/h1",
    "clustered/other_models/garch_mle_approx/units",
    "clustered/other_models/garch_arch_package_approx/note",
}


def block(path):
    """Register a function that computes the branch `path` of the check file."""

    def register(function):
        BLOCKS[path] = functools.lru_cache(maxsize=1)(function)
        return BLOCKS[path]

    return register


def leaves(value, path=""):
    """(path, number) for everything below `value`."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from leaves(inside, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list | tuple | np.ndarray):
        for i, inside in enumerate(value):
            yield from leaves(inside, f"{path}/{i}")
    else:
        yield path, value


def at(path):
    value = public.golden()
    for key in path.split("/"):
        value = value[key]
    return value


def close(ours, theirs):
    """Within 1e-10, relative; null is NaN."""
    if theirs is None:
        return math.isnan(ours)
    return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=1e-25)


def printed(text):
    """A number as the page prints it, compared to half of its last digit."""
    digits = text.split("e")[0].partition(".")[2]
    exponent = int(text.partition("e")[2] or 0)
    return pytest.approx(float(text), abs=0.5000001 * 10.0 ** (exponent - len(digits)), rel=0)


# ---------------------------------------------------------------------------------------- data and fits

C = public.clustered()
D = public.dispersed()
I = public.intraday()
SIX = range(6)
EST, EV = C["est"], C["ev"]
MKT, RF = C["mkt"], C["rf"]
FACTORS = np.column_stack([MKT - RF, C["smb"], C["hml"]])


def market_fits(window=(-1, 3), firms=range(8)):
    ev = list(range(270 + window[0], 270 + window[1] + 1))
    return [models.market(C["ret"][:, i], MKT, EST, ev) for i in firms]


def zero_alpha_fits(window=(-1, 3), firms=SIX):
    ev = list(range(270 + window[0], 270 + window[1] + 1))
    return [models.market_zero_alpha(C["ret"][:, i], MKT, EST, ev) for i in firms]


def portfolio_series(firms=SIX):
    return single.portfolio_returns(C["ret"][:, list(firms)], range(300))


def market_model(y, est, ev):
    return models.market(y, MKT, est, ev)


def zero_alpha_model(y, est, ev):
    return models.market_zero_alpha(y, MKT, est, ev)


def gap_ar(y, model, event_start):
    """Abnormal returns on the rows between the estimation window and the event window."""
    return model(y, EST, list(range(EST[-1] + 1, event_start)))["ar"]


F8, F6 = market_fits(), market_fits(firms=SIX)
DISPERSED = [models.market(D["ret"][:, i], D["mkt"], D["est"][i], D["ev"][i]) for i in range(20)]


def _pick(source, *names, **renamed):
    """The named values of an answer, or under another name: file_name="our name"."""
    return {name: source[name] for name in names} | {name: source[ours] for name, ours in renamed.items()}


def _t(answer):
    return _pick(answer, "stat", "df", "p")


def _z(answer):
    return _pick(answer, "stat", "p")


def _grank(fits, **how):
    return _pick(ranks.grank(fits, **how), "Z", "t", "df", "p_t", "z", "p_z", "T")


def _skew(x):
    johnson, hall = cross.skew_johnson(x), cross.skew_hall(x)
    return dict(gamma_lbt=johnson["gamma"], johnson_lbt=johnson["stat"], gamma_adj=hall["gamma"], hall=hall["stat"])


def _gen_sign(fits, variant="mean"):
    return _pick(cross.gen_sign(cross.cars(fits), fits, variant), "stat", "p", "phat", "w", "n")


# ---------------------------------------------------------------------------------------- models


def _model_row(fit):
    naive = single.t_car(fit, "fec_none")["stat"]
    row = _pick(fit, "b", "s2", "M", "k", "ar", "h", "sar", "car", "car_se", "c", "scar", se="S", n_ev="L2")
    return row | dict(t_car_naive=naive, p_car=single.t_car(fit)["p"])


@block("clustered/mean")
def _mean():
    return [_model_row(models.mean(C["ret"][:, i], EST, EV)) for i in range(8)]


@block("clustered/market")
def _market():
    return [_model_row(fit) for fit in F8]


@block("clustered/capm")
def _capm():
    return [_model_row(models.capm(C["ret"][:, i], MKT, RF, EST, EV)) for i in range(8)]


def ff3_fits():
    return [models.ff3(C["ret"][:, i], RF, MKT - RF, C["smb"], C["hml"], EST, EV) for i in range(8)]


@block("clustered/ff3")
def _ff3():
    return [_model_row(fit) for fit in ff3_fits()]


@block("clustered/market_adjusted")
def _market_adjusted():
    fits = [models.market_adjusted(C["ret"][:, i], MKT, EST, EV) for i in range(8)]
    return [_pick(fit, "ar", "car", "s_mean", "s_zero") for fit in fits]


@block("clustered/other_models")
def _other_models():
    r0 = C["ret"][:, 0]
    sw = models.scholes_williams(r0, MKT, EST, EV)
    dimson = models.dimson(r0, MKT, EST, EV)
    huber = models.huber(r0, MKT, EST, EV)
    theil = models.theil_sen(r0, MKT, EST, EV)
    medres = models.theil_sen(r0, MKT, EST, EV, "median_residual")
    synthetic = models.synthetic_control(r0, C["ret"][:, 1:6], EST, EV)
    e = 100 * F8[0]["resid"]
    traded = models.trade_to_trade(hidden_log_price(), np.cumsum(np.log1p(MKT)), EST, EV)
    return dict(
        scholes_williams=_pick(sw, "beta_lag", "beta_0", "beta_lead", "rho_m")
        | dict(alpha=sw["b"][0], beta=sw["b"][1]),
        dimson_1=dict(coef=dimson["b"], beta=dimson["beta"], alpha=dimson["b"][0], s2=dimson["s2"]),
        theil_sen=dict(beta=theil["b"][1], alpha_sep=theil["b"][0], alpha_medres=medres["b"][0]),
        huber=_pick(huber, "b", "scale"),
        synthetic_control_ret_firm0=_pick(synthetic, "w", "sse", "ar", "pre_mspe"),
        garch_loglik_fixed=models.garch_loglik(e, "garch", 0.5, 0.08, 0.85),
        gjr_loglik_fixed=models.garch_loglik(e, "gjr", 0.5, 0.05, 0.85, 0.06),
        trade_to_trade_firm6=_pick(traded, "b", "s2", "M") | dict(hidden_day_return=HIDDEN),
    )


HIDDEN = 0.004  # what the hidden simple return of firm 6 is on the sessions it did not trade


def hidden_log_price():
    """Firm 6: a log price path that moves on untraded sessions too, seen only on the others."""
    r = C["ret"][:, 6]
    path = np.cumsum(np.log1p(np.where(np.isfinite(r), r, HIDDEN)))
    return np.where(np.isfinite(r), path, np.nan)


@block("clustered/other_models/garch_mle_approx")
def _garch_mle():
    """Information only: the log-likelihood at the parameters the file reports."""
    return dict(loglik=mle_loglik(at("clustered/other_models/garch_mle_approx")))


def mle_loglik(p):
    e = 100 * (C["ret"][EST, 0] - p["alpha"] - p["beta"] * MKT[EST])
    return models.garch_loglik(e, "garch", p["omega"], p["a"], p["b"])


@block("clustered/other_models/garch_arch_package_approx")
def _garch_arch():
    """Information only, as above, with the exponentially weighted start of package arch."""
    return dict(loglik=arch_loglik(at("clustered/other_models/garch_arch_package_approx/params")))


def arch_loglik(p):
    e = 100 * C["ret"][EST, 0] - p["Const"] - p["x0"] * 100 * MKT[EST]
    start = models.ewma_backcast(100 * F8[0]["resid"])
    h1 = p["omega"] + (p["alpha[1]"] + p["beta[1]"]) * start
    return models.garch_loglik(e, "garch", p["omega"], p["alpha[1]"], p["beta[1]"], h1=h1)


# ---------------------------------------------------------------------------------------- cross-section

TM = "clustered/tests_market_model"


@block(TM)
def _cross_section():
    x = cross.cars(F8)
    A8, L = ranks.event_time_matrix(F8)
    A6, _ = ranks.event_time_matrix(F6)
    kp = cross.kp_bmp(cross.bmp(F8)["stat"], cross.rbar(F8), 8)
    kpp = cross.kp_patell(cross.patell(F8)["stat"], cross.rbar(F8), 8)
    corrado, cz6, cz8 = ranks.corrado(A6, L), ranks.corrado_zivney(A6, L), ranks.corrado_zivney(A8, L)
    rank_keys = ("S", "z_day", "z_multi", "p_multi")
    U = cross.beaver_u(F8, 1)
    f0 = F8[0]
    F = single.f_window(f0)
    knife = cross.jackknife(x)
    return dict(
        xs_t_car=_t(cross.t_xs(x)),
        xs_t_ar_day=[_t(cross.t_xs(cross.day(F8, j))) for j in range(5)],
        aar=cross.aar(F8),
        caar_mean_car=cross.caar(F8),
        caar_sum_aar=cross.caar(F8, "sum_aar"),
        patell_full=_z(cross.patell(F8)),
        patell_sum_sar=_z(cross.patell(F8, "patell_sum")),
        patell_wrds=cross.patell(F8, "wrds")["stat"],
        patell_day=[_z(cross.patell_day(F8, j)) for j in range(5)],
        bmp_full=_t(cross.bmp(F8)),
        bmp_day=[_t(cross.bmp_day(F8, j)) for j in range(5)],
        bmp_nofec=cross.bmp(F8, "fec_none")["stat"],
        rbar=cross.rbar(F8),
        kp_bmp=kp["stat"],
        kp_bmp_p=kp["p"],
        kp_patell=kpp["stat"],
        kp_patell_p=kpp["p"],
        n_eff=cross.n_eff(cross.rbar_w(F8), 8),
        cda=_cda(F8),
        bw80_nodep_day1=cross.bw80_nodep(F8, 1)["stat"],
        sign_car=_pick(cross.sign(x), "stat", "p", "w", "n", "p_exact"),
        gen_sign_car=_gen_sign(F8),
        gen_sign_car_pooled=_gen_sign(F8, "pooled"),
        corrado_complete6=_pick(corrado, *rank_keys),
        corrado_zivney_6=_pick(cz6, *rank_keys),
        corrado_zivney_8=_pick(cz8, *rank_keys),
        cz_sign_8=_pick(ranks.cz_sign(A8, L), "z_day"),
        cumrank_exact_6=_z(ranks.cumrank_exact(A6, L)),
        grank_8=_grank(F8),
        grank_6=_grank(F6),
        grank_8_internal_studentized=_grank(F8, studentized=True),
        wilcoxon_car=_pick(ranks.wilcoxon(x), "W", "n", "z", "p_z", "p_exact"),
        skew_car=_skew(x),
        beaver_patell_U_day0=_pick(U, "mean_U", "p_upper", z="stat"),
        chow_F_firm0=_pick(F, "df1", "df2", "p", F="stat"),
        variance_ratio_F_car_window_firm0=F["stat"],
        single_window_dummy_firm0=_pick(
            regression.window_dummy(C["ret"][:, 0], models.intercept_and(MKT), EST, EV), "gamma", "se"
        )
        | dict(car_over_L=f0["car"] / f0["L2"]),
        log_var_ratio_t=_t(cross.log_var_ratio(F8, "raw")),
        disp_ratio_6=cross.disp_ratio(F6),
        disp_ratio_6_day0=cross.disp_ratio(market_fits((0, 0), SIX)),
        pw_caar_inv_sd=cross.weighted_caar(F8, cross.pw_weights(F8, "inv_sd")),
        pw_caar_inv_var=cross.weighted_caar(F8, cross.pw_weights(F8, "inv_var")),
        bhar_vs_market=_bhar("market"),
        bhar_vs_model=_bhar("model"),
        bhar_skew=_skew(_bhar("market")),
        jackknife_caar=_pick(knife, "min", "max", "se"),
        jackknife_t_range=[knife["t_min"], knife["t_max"]],
    )


def _cda(fits):
    return _pick(cross.cda(fits), "sd", "t_day", "t_caar", "df") | dict(sd_m2=cross.cda(fits, "M-2")["sd"])


def _bhar(benchmark):
    out = []
    for i, fit in enumerate(F8):
        R = C["ret"][EV, i]
        out.append(cross.bhar(R, MKT[EV] if benchmark == "market" else R - fit["ar"]))
    return out


def _other_battery(fits):
    r = cross.rbar(fits)
    bmp, patell = cross.bmp(fits), cross.patell(fits)
    x = cross.cars(fits)
    return dict(
        xs_t=_t(cross.t_xs(x)),
        patell_full=_z(patell),
        bmp=_t(bmp),
        rbar=r,
        kp_bmp=cross.kp_bmp(bmp["stat"], r, 8)["stat"],
        kp_patell=cross.kp_patell(patell["stat"], r, 8)["stat"],
        grank=_grank(fits),
        gen_sign=_gen_sign(fits),
        skew=_skew(x),
    )


@block("clustered/tests_ff3")
def _battery_ff3():
    return _other_battery(ff3_fits())


@block("clustered/tests_mean")
def _battery_mean():
    return _other_battery([models.mean(C["ret"][:, i], EST, EV) for i in range(8)])


@block("clustered/tests_market_window_0_0")
def _battery_0_0():
    return _other_battery(market_fits((0, 0)))


@block("clustered/tests_market_window_0_1")
def _battery_0_1():
    return _other_battery(market_fits((0, 1)))


# ---------------------------------------------------------------------------------------- one firm


def _sq_raw(fit, form, *more):
    return _pick(single.sq(fit, form), "p_two", *more, p_lower="p_low", p_upper="p_up")


def _sq_default(fit):
    return _pick(single.sq(fit), "m", "p_low", "p_up", "p_two", "p_abs")


def _conformal(y, model, ev):
    return single.conformal(y, model, EST, ev)


@block(TM + "/ (one firm)")
def _one_firm():
    r0, p = C["ret"][:, 0], portfolio_series()
    day0, car = market_model(r0, EST, [270]), market_model(r0, EST, EV)
    p_day0, p_car = market_model(p, EST, [270]), market_model(p, EST, EV)
    g0, g1 = gap_ar(r0, market_model, 270), gap_ar(r0, market_model, 269)
    placebo = single.placebo_time(r0, market_model, 270, 0, 259, 120, 9, (-1, 3))
    return dict(
        sq_firm0_day0=_sq_raw(day0, "two_min"),
        sq_firm0_car_overlap=_sq_raw(car, "overlap", "m"),
        sq_firm0_car_blocks=_sq_raw(car, "blocks", "m"),
        sq_port6_day0=_sq_raw(p_day0, "two_min"),
        sq_port6_car=_sq_raw(p_car, "two_min", "m"),
        sq_firm0_day0_studentized=_sq_raw(day0, "studentized"),
        sq_studentized_firm0_day0=_sq_default(day0),
        sq_studentized_firm0_car=_sq_default(car),
        sq_studentized_port6_day0=_sq_default(p_day0),
        sq_studentized_port6_car=_sq_default(p_car),
        conformal_firm0_day0=_conformal(r0, market_model, [270]),
        conformal_firm0_car=_conformal(r0, market_model, EV),
        conformal_port6_day0=_conformal(p, market_model, [270]),
        conformal_port6_car=_conformal(p, market_model, EV),
        sq_vol_blend_firm0_day0=single.sq_vol(day0, g0),
        sq_vol_blend_firm0_car=single.sq_vol(car, g1),
        sq_vol_ewma_firm0_day0=_pick(single.sq_vol(day0, g0, "ewma"), "m", "p_low", "p_up", "p_two"),
        sq_vol_ewma_firm0_car=_pick(single.sq_vol(car, g1, "ewma"), "m", "p_low", "p_up", "p_two"),
        placebo_time_firm0=_pick(placebo, "first", "last", "n", "scar_obs", "p"),
        portfolio_6=_pick(p_car, "car", "df", "ar", "s2", se="car_se", t="scar") | dict(p=single.t_car(p_car)["p"]),
        market_zero_alpha_firm0=_zero_alpha_firm0(),
    )


def _zero_alpha_firm0():
    r0 = C["ret"][:, 0]
    out = {}
    for name, ev in (("0_0", [270]), ("m1_3", EV)):
        fit = zero_alpha_model(r0, EST, ev)
        out[name] = _pick(fit, "car", "c", se="car_se", t="scar") | dict(
            p=single.t_car(fit)["p"],
            sq=_sq_default(fit),
            conformal=_conformal(r0, zero_alpha_model, ev),
            sq_vol_blend=single.sq_vol(fit, gap_ar(r0, zero_alpha_model, ev[0])),
        )
    return out | dict(beta=fit["b"][1], s2=fit["s2"], df=fit["df"])


# ---------------------------------------------------------------------------------------- joint and resampling


def _hein_westfall(fits, seed, B, model="ols"):
    X = models.intercept_and(MKT)
    E = np.column_stack([f["resid"] for f in fits])
    rng = np.random.default_rng(seed)
    T2, nu = cross.mvrm(fits)["T2"], fits[0]["df"]
    return resampling.hein_westfall(E, X[EST], X[EV], fits[0]["c"], T2, rng, B, nu, model)


@block(TM + "/ (joint)")
def _joint():
    day = {tau: market_fits((tau, tau), SIX) for tau in (0, 1)}
    joint = {f"tau{tau}": _pick(cross.joint_sq(fits), "T2", "n_ge", "m", "p") for tau, fits in day.items()}
    mvrm_keys = ("T2", "F", "df1", "df2", "p_F", "p_chi2", "t_mean", "df_mean", "gls", "t_gls")
    zero = zero_alpha_fits()
    zero_portfolio = zero_alpha_model(portfolio_series(), EST, EV)
    p_firms = [single.t_car(f)["p"] for f in F8]
    scar6 = [f["scar"] for f in F6]
    return dict(
        mvrm_6=_pick(cross.mvrm(F6), *mvrm_keys),
        joint_sq_6=joint,
        market_zero_alpha_6=dict(
            rbar=cross.rbar(zero),
            T2=cross.mvrm(zero)["T2"],
            portfolio_t=zero_portfolio["scar"],
            portfolio_sq=_sq_default(zero_portfolio),
            disp_ratio=cross.disp_ratio(zero),
        ),
        p_firms=p_firms,
        holm=resampling.holm(p_firms),
        bh=resampling.bh(p_firms),
        romano_wolf_6=resampling.romano_wolf(scar6, cross.per_firm_null(F6, "raw")),
        romano_wolf_6_studentized=resampling.romano_wolf(scar6, cross.per_firm_null(F6)),
    )


@block(TM + "/ (draws)")
def _draws():
    x = cross.cars(F8)
    lbt = resampling.lbt_bootstrap(x, np.random.default_rng(0), 9999, 4)
    quiet = cross.mean_residuals(F6)
    blocks = resampling.block_bootstrap(quiet, np.random.default_rng(0), 999, 5)
    nw = regression.newey_west(quiet, np.ones((len(quiet), 1)), 5)
    return dict(
        sign_flip_mean=resampling.sign_flip(x)["p"],
        sign_flip_t=resampling.sign_flip(x, "t")["p"],
        wild_rademacher_rng0_B9999=resampling.wild(x, np.random.default_rng(0))["p"],
        lbt_bootstrap_rng0_B9999_nb4=_pick(lbt, "used", q025="q_low", q975="q_high"),
        mbb_se_mean_aar_rng0_B999_l5=blocks["se"],
        nw_mean_aar_est_L5=nw["se"][0],
        hein_westfall_6_rng0_B999=_hein_westfall(F6, 0, 999),
        hein_westfall_6_rng1_B9999=_hein_westfall(F6, 1, 9999),
    )


# ---------------------------------------------------------------------------------------- regressions

CHARACTERISTIC = np.array([-1, -0.116, 0.192, 0.308, 0.616, 1.5])
Z6 = models.intercept_and(CHARACTERISTIC)
PAIRS = [0, 0, 1, 1, 2, 2]


@block(TM + "/ (regressions)")
def _regressions():
    x = cross.cars(F6)
    kinds = ("ols", "HC0", "HC1", "HC2", "HC3", "CR0", "CR1")
    weighted = regression.wls(Z6, x, [f["car_se"] ** 2 for f in F6])
    return dict(
        characteristic_6=CHARACTERISTIC,
        sefcik_thompson_6=_pick(regression.sefcik_thompson(F6, Z6), "delta", "se", "t", "df"),
        xs_reg_6={kind: regression.xs_regression(Z6, x, kind, PAIRS)["se"] for kind in kinds}
        | dict(b=regression.xs_regression(Z6, x)["b"]),
        wls_6=_pick(weighted, "b", "se"),
        tsols_6=_pick(regression.tsols(F6, Z6), "m", p_slope="p", z_slope="z"),
    )


# ---------------------------------------------------------------------------------------- dispersed


@block("dispersed/tests_market_model")
def _dispersed():
    x = cross.cars(DISPERSED)
    A, L = ranks.event_time_matrix(DISPERSED)
    rank_keys = ("S", "z_day", "z_multi", "p_multi")
    calendar = regression.calendar_time(D["ret"], D["mkt"], D["pos"], 5)
    weighted = regression.calendar_time(D["ret"], D["mkt"], D["pos"], 5, cov="wls")
    groups = [[fit] for fit in DISPERSED]
    return dict(
        car=x,
        scar=cross.scars(DISPERSED),
        xs_t=_t(cross.t_xs(x)),
        patell_full=_z(cross.patell(DISPERSED)),
        patell_sum_sar=_z(cross.patell(DISPERSED, "patell_sum")),
        bmp=_t(cross.bmp(DISPERSED)),
        bmp_sum_sar=_t(cross.bmp(DISPERSED, "patell_sum")),
        cda=_cda(DISPERSED),
        sign=_pick(cross.sign(x), "stat", "p", "w", "n", "p_exact"),
        gen_sign=_gen_sign(DISPERSED),
        corrado=_pick(ranks.corrado(A, L), *rank_keys),
        cz=_pick(ranks.corrado_zivney(A, L), *rank_keys),
        cumrank_exact=_z(ranks.cumrank_exact(A, L)),
        grank=_grank(DISPERSED),
        skew=_skew(x),
        calendar_time_5=dict(
            n_days=calendar["n_days"],
            alpha=calendar["alpha"],
            se=calendar["alpha_se"],
            beta=calendar["b"][1],
            wls_alpha=weighted["alpha"],
            wls_se=weighted["alpha_se"],
        ),
        rbar_overlap_weighted=cross.rbar_w(DISPERSED),
        placebo_joint_rng0_B9999=resampling.placebo_joint(groups, np.random.default_rng(0)),
        placebo_joint_first4_rng0_B9999=resampling.placebo_joint(groups[:4], np.random.default_rng(0)),
    )


# ---------------------------------------------------------------------------------------- intraday and power

DAYS = intraday.ohlc(I["r"], I["overnight"])
QUIET, JUMP = DAYS[:25], DAYS[25]


def _bns(r):
    full, plain = intraday.bns(r), intraday.bns(r, finite_sample=False)
    nofs = {f"{key}_nofs": plain[key] for key in ("z_ratio", "BV", "TP")}
    return _pick(full, "RV", "BV", "TP", "z_ratio", "p_ratio", "z_linear", "z_log") | nofs


@block("intraday/results")
def _intraday():
    limit = intraday.gumbel_threshold(0.01)
    pattern = intraday.diurnal_rms(I["r"][:25])
    plain = intraday.lee_mykland(I["r"].ravel(), 132)
    flat = intraday.lee_mykland((I["r"] / pattern).ravel(), 132)
    jump = 25 * 66 + I["jump_bar"]
    path = intraday.decomposition(JUMP)
    x = [intraday.excursion(day) for day in DAYS]
    closes = [intraday.decomposition(day)["total"] for day in QUIET]
    return dict(
        bns_jump_day=_bns(I["r"][25]),
        bns_day0=_bns(I["r"][0]),
        diurnal_rms=pattern,
        lee_mykland=_pick(plain, "K", "n", "Cn", "Sn")
        | dict(
            L_jump=plain["L"][jump],
            xi_jump=plain["xi"][jump],
            beta_star_1pct=limit,
            n_detect_1pct=np.sum(plain["xi"] > limit),
            p_jump=plain["p"][jump],
        ),
        lee_mykland_periodic=dict(
            L_jump=flat["L"][jump], xi_jump=flat["xi"][jump], n_detect_1pct=np.sum(flat["xi"] > limit)
        ),
        ohlc_jump_day=JUMP,
        decomposition=_pick(
            path,
            "overnight",
            open_to_high="rise",
            high_to_close="retreat",
            close_to_close="total",
            give_back_fraction="give_back",
        ),
        high_excursion=intraday.intraday_extreme(x[25], x[:25], closes),
        parkinson_var=[intraday.parkinson(day) for day in DAYS],
        garman_klass_var=[intraday.garman_klass(day) for day in DAYS],
        rogers_satchell_var=[intraday.rogers_satchell(day) for day in DAYS],
        yang_zhang_var_pre=intraday.yang_zhang(QUIET),
        parkinson_log_z=intraday.range_variance(JUMP, QUIET)["stat"],
    )


@block("power")
def _power():
    sizes = at("power/clm_table")
    rho = itertools.product((5, 10, 30, 50, 100), (0.01, 0.02, 0.05, 0.1, 0.3))
    return dict(
        clm_table={N: dict(sd2=power.clm_table(int(N), 0.02), sd4=power.clm_table(int(N), 0.04)) for N in sizes},
        size_ignoring_rho={f"N{N}_r{r}": power.size_ignoring_rho(N, r) for N, r in rho},
        mde_80_5pct_sd2_N1=power.mde_z(0.02),
        t_power_delta_half_sd={N: power.power_t(0.5, 1 / math.sqrt(N), N - 1) for N in (3, 5, 10, 20, 50)},
    )


@block("clustered/ (design)")
def _design():
    return dict(est_rows=[EST[0], EST[-1]], event_row=C["event_row"], event_window=[EV[0] - 270, EV[-1] - 270])


@block("dispersed/ (design)")
def _design_dispersed():
    p, est, ev = D["pos"][0], D["est"][0], D["ev"][0]
    return dict(est=[est[0] - p, est[-1] - p], window=[ev[0] - p, ev[-1] - p])


# ---------------------------------------------------------------------------------------- the comparison


def computed(path):
    """Our leaves below a block, under the paths of the file (a part in brackets is only the block's name)."""
    base = path.split("/ (")[0]
    return dict(leaves(BLOCKS[path](), base))


@pytest.mark.parametrize("path", list(BLOCKS))
def test_block(path):
    theirs = dict(leaves(public.golden()))
    wrong = [
        f"{leaf}: ours {value!r}, file {theirs.get(leaf, 'absent')!r}"
        for leaf, value in computed(path).items()
        if leaf not in theirs or not close(value, theirs[leaf])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_number_of_the_file_was_left_out():
    visited = (NOT_NUMBERS | GIVEN).union(*(computed(path) for path in BLOCKS))
    skipped = ("_about", "cross_checks", "clustered/data/", "dispersed/data/", "intraday/data/")
    file = {leaf for leaf, _ in leaves(public.golden()) if not leaf.startswith(skipped)}
    assert file - visited == set()
    assert visited - file == set()


def test_text_leaves_say_what_the_twin_did():
    texts = {path: at(path) for path in NOT_NUMBERS}
    assert all(isinstance(text, str) for text in texts.values())
    dummy = at(TM + "/single_window_dummy_firm0")
    assert abs(dummy["gamma"] - dummy["car_over_L"]) > 1e-6


@pytest.mark.parametrize("name, loglik", [("garch_mle_approx", mle_loglik), ("garch_arch_package_approx", arch_loglik)])
def test_reported_garch_estimates_are_a_maximum(name, loglik):
    given = at(f"clustered/other_models/{name}")
    p = {key: v for key, v in given.get("params", given).items() if isinstance(v, float) and key != "loglik"}
    for key, step in itertools.product(p, (-0.05, 0.05)):
        moved = p | {key: p[key] + step * max(abs(p[key]), 0.1)}
        inside = all(moved[k] >= 0 for k in ("omega", "a", "b", "alpha[1]", "beta[1]") if k in moved)
        if inside:
            assert loglik(moved) <= loglik(p) + 1e-3, key


def test_the_twin_is_independent_of_the_package():
    allowed = {"numpy", "scipy", "math", "itertools", "json", "functools", "pathlib"}
    for file in Path(cross.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= allowed, file.name
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.split(".")[0] in allowed, file.name


# ---------------------------------------------------------------------------------------- printed, not in the file


def test_generators_give_the_public_data():
    made = generators.make_clustered(1)
    for key in ("ret", "mkt", "smb", "hml", "rf"):
        np.testing.assert_array_equal(made["ret"] if key == "ret" else made[key], C[key])
    made = generators.make_dispersed(2)
    np.testing.assert_array_equal(made["ret"], D["ret"])
    np.testing.assert_array_equal(made["mkt"], D["mkt"])
    assert made["pos"] == D["pos"]
    made = generators.make_intraday(3)
    np.testing.assert_array_equal(made["r"], I["r"])
    np.testing.assert_array_equal(made["overnight"], I["overnight"])


def test_fingerprints():
    np.testing.assert_array_equal(C["ret"][0, :3], [-0.02539209, -0.00265349, 0.00018543])
    assert np.nansum(C["ret"]) == printed("-3.00536813")
    assert np.sum(MKT) == printed("-0.27997323")
    assert np.isnan(C["ret"]).sum() == 205
    assert np.sum(D["ret"]) == printed("-1.96763936")
    assert D["pos"][:4] + D["pos"][-2:] == [306, 308, 312, 327, 545, 563]
    assert np.sum(I["r"]) == printed("0.35220052")
    assert np.sum(I["overnight"]) == printed("0.11596166")


def test_printed_bmp_of_naive_scars_with_the_nominal_window_length():
    x = [f["car"] / (f["s"] * math.sqrt(5)) for f in F8]
    assert cross.t_xs(x)["stat"] == printed("1.229201712")


def test_printed_single_figures():
    assert regression.log_turnover(0.01) == printed("0.000254967")
    assert regression.log_turnover(0.01, "fraction") == printed("-4.579989887")
    assert cross.log_var_null_mean(1) == printed("-1.2704")
    assert cross.gls_variance_factor(60, 6) == printed("1.192")
    assert math.log(1.48) == printed("0.392")
    assert intraday.reflection_p(0.392, 0.04) == printed("1.1e-22")
    assert single.rank_p(0.392, [0.0] * 100) == printed("0.0099")
    assert resampling.sign_flip([1, 2, 3, 4, 5])["smallest_p"] == printed("0.0625")
    assert 100 * (1 / math.sqrt((60 - 2) / 60) - 1) == printed("1.7")
    assert models.mean(C["ret"][:, 0], EST, EV)["c"] == printed("5.104166667")


def test_printed_hand_computable_checks():
    x = [0.01, 0.02, 0.06]
    assert np.mean(x) == printed("0.03")
    assert np.std(x, ddof=1) == printed("0.02645751311")
    assert cross.t_xs(x)["stat"] == printed("1.963961012")
    assert cross.t_xs(x)["df"] == 2
    assert resampling.sign_flip(x)["p"] == 0.25
    S = 0.03 / np.std(x, ddof=1)
    g = (-(0.02**3) - 0.01**3 + 0.03**3) / (3 * np.std(x, ddof=1) ** 3)
    assert cross.skew_johnson(x)["stat"] == pytest.approx(math.sqrt(3) * (S + g * S**2 / 3 + g / 18), abs=1e-14)


PRINTED_POWER = """
1    0.0572  0.0791  0.1165  0.1701  0.0518  0.0572  0.0663  0.0791
5    0.0865  0.2010  0.3888  0.6088  0.0590  0.0865  0.1336  0.2010
10   0.1241  0.3526  0.6597  0.8854  0.0681  0.1241  0.2203  0.3526
20   0.2010  0.6088  0.9184  0.9940  0.0865  0.2010  0.3888  0.6088
50   0.4239  0.9424  0.9996  1.0000  0.1432  0.4239  0.7554  0.9424
100  0.7054  0.9988  1.0000  1.0000  0.2395  0.7054  0.9633  0.9988
200  0.9424  1.0000  1.0000  1.0000  0.4239  0.9424  0.9996  1.0000
"""


@pytest.mark.parametrize("line", PRINTED_POWER.strip().splitlines())
def test_printed_power_table(line):
    N, *cells = line.split()
    ours = power.clm_table(int(N), 0.02) + power.clm_table(int(N), 0.04)
    assert all(value == printed(cell) for value, cell in zip(ours, cells, strict=True))


# ---------------------------------------------------------------------------------------- identities


def noisy_market(seed=5, T=140, N=6):
    """A small set without gaps for the identities: market, firms, estimation rows 0..119, event rows 122..124."""
    rng = np.random.default_rng(seed)
    rm = 0.01 * rng.standard_normal(T)
    R = np.outer(rm, 0.5 + rng.random(N)) + 0.01 * rng.standard_normal((T, N)) + 0.005 * rng.standard_normal((T, 1))
    return rm, R, list(range(120)), [122, 123, 124]


def same(a, b, tolerance=1e-11):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_constant_and_scale():
    rm, R, est, ev = noisy_market()
    plain = models.market(R[:, 0], rm, est, ev)
    same(models.market(R[:, 0] + 0.01, rm, est, ev)["ar"], plain["ar"])
    scaled = models.market(3 * R[:, 0], rm, est, ev)
    same(scaled["ar"], 3 * plain["ar"])
    same(scaled["scar"], plain["scar"])


def test_event_dummies_are_the_abnormal_returns():
    for fit, X in ((F8[0], models.intercept_and(MKT)), (ff3_fits()[0], models.intercept_and(FACTORS))):
        y = C["ret"][:, 0] - (0 if fit is F8[0] else RF)
        dummies = regression.event_dummies(y, X, EST, EV)
        for ours, theirs in (("gamma", "ar"), ("se", "S"), ("car", "car"), ("car_se", "car_se"), ("df", "df")):
            same(dummies[ours], fit[theirs])
        same(dummies["F"], single.f_window(fit)["stat"], 1e-9)
        same(dummies["p_F"], single.f_window(fit)["p"], 1e-9)


def test_one_factor_variance_written_out():
    same(F8[0]["c"], cross.mikkelson_partch(MKT[EST], MKT[EV]))
    rm = MKT[EST]
    h = 1 / 240 + (MKT[EV] - rm.mean()) ** 2 / sum((rm - rm.mean()) ** 2)
    same(F8[0]["h"], h)


def test_capm_is_the_market_model_when_the_riskless_rate_is_constant():
    capm = models.capm(C["ret"][:, 0], MKT, RF, EST, EV)
    same(capm["ar"], F8[0]["ar"])
    same(capm["car_se"], F8[0]["car_se"])


def test_capm_zero_and_wider_factor_models_are_least_squares():
    rng = np.random.default_rng(7)
    more = 0.004 * rng.standard_normal((300, 3))
    r0, excess = C["ret"][:, 0], MKT - RF
    zero = models.capm_zero(r0, MKT, RF, EST, EV)
    same(zero["b"][0], sum(excess[EST] * (r0 - RF)[EST]) / sum(excess[EST] ** 2))
    assert zero["df"] == 239
    fits = [
        models.carhart4(r0, RF, *FACTORS.T, more[:, 0], EST, EV),
        models.ff5(r0, RF, *FACTORS.T, more[:, 0], more[:, 1], EST, EV),
        models.ff6(r0, RF, *FACTORS.T, *more.T, EST, EV),
    ]
    for fit, k in zip(fits, (5, 6, 7), strict=True):
        F = np.column_stack([FACTORS, more])[:, : k - 1]
        b = np.linalg.lstsq(models.intercept_and(F[EST]), (r0 - RF)[EST], rcond=None)[0]
        same(fit["b"], b)
        assert fit["df"] == 240 - k


def test_zero_residual_variance_gives_nan():
    rm, _, est, ev = noisy_market()
    fit = models.market(0.001 + 1.5 * rm, rm, est, ev)
    assert math.isnan(fit["scar"]) and np.all(np.isnan(fit["S"]))


def test_portfolio_is_the_mean_of_the_firms():
    portfolio = market_model(portfolio_series(), EST, EV)
    joint = cross.mvrm(F6)
    same(portfolio["scar"], joint["t_mean"])
    same(portfolio["car_se"], cross.weighted_caar_se(F6, np.ones(6), "common"))


def test_row_deleted_t2():
    fits = market_fits((0, 0), SIX)
    null = cross.joint_sq(fits)["null"]
    for s in (0, 17, 239):
        rest = [t for t in EST if t != EST[s]]
        again = [models.market(C["ret"][:, i], MKT, rest, [EST[s]]) for i in SIX]
        same(cross.mvrm(again)["T2"], null[s], 1e-9)


def test_equality_of_effects_does_not_see_a_common_shift():
    X = cross.mvrm_equality(F6)
    moved = [f | dict(car=f["car"] + 0.05) for f in F6]
    same(cross.mvrm_equality(moved)["F"], X["F"], 1e-9)
    assert (X["df1"], X["df2"]) == (5, 238 - 5 + 1)


def test_one_day_windows():
    fits = market_fits((0, 0), SIX)  # equal nu: with unequal nu the two Patell forms differ even here
    same(cross.patell(fits)["stat"], cross.patell(fits, "patell_sum")["stat"])
    A, L = ranks.event_time_matrix(fits)
    answer = ranks.corrado(A, L)
    same(answer["z_multi"], answer["z_day"][0])
    same(fits[0]["scar"], fits[0]["sar"][0])
    same(single.scar(fits[0], "patell_sum"), fits[0]["sar"][0])


def test_one_firm_has_no_cross_section():
    assert math.isnan(cross.t_xs([0.1])["stat"])


def test_identical_firms_count_as_one():
    fits = [F8[0]] * 5
    same(cross.rbar(fits), 1.0)
    same(cross.n_eff(1.0, 5), 1.0)


def test_effective_dates():
    answer = cross.effective_dates([1, 1, 2, 3])
    assert answer == dict(n_dates=3, hhi=0.375, effective=1 / 0.375)


def test_overlap_weights():
    shifted = [f | dict(ev=[t + d for t in f["ev"]]) for f, d in zip(F6[:3], (0, 2, 9), strict=True)]
    rho = cross.pair_correlation(F6[0], F6[1])
    same(cross.rbar_w(shifted), rho * 3 / 5 / 3)
    same(cross.rbar_w(F6), cross.rbar(F6))


def test_first_component_of_equal_correlations():
    C5 = np.full((5, 5), 0.3) + 0.7 * np.eye(5)
    same(cross.first_component_share(C5), (1 + 4 * 0.3) / 5)


# ---------------------------------------------------------------------------------------- single firm, no public value


def test_sq_interval_holds_exactly_the_effects_not_rejected():
    fit = market_model(C["ret"][:, 0], EST, EV)
    low, high = single.sq_interval(fit)
    for effect, inside in ((low + 1e-9, True), (high - 1e-9, True), (low - 1e-9, False), (high + 1e-9, False)):
        shifted = fit | dict(scar=(fit["car"] - effect) / fit["car_se"])
        assert bool(single.sq(shifted)["p_abs"] > 0.05) is inside
    assert single.sq_interval(fit, 1 / 1000) == (-math.inf, math.inf)


def test_two_min_interval():
    fit = market_model(C["ret"][:, 0], EST, EV)
    z = [x for _, x in single.studentized_windows(fit, 5)]
    low, high = single.sq_interval(fit, 0.1, "two_min")
    same(low, fit["car"] - fit["car_se"] * np.quantile(z, 0.95))
    same(high, fit["car"] - fit["car_se"] * np.quantile(z, 0.05))


def test_conformal_interval_inverts_the_test():
    r0 = C["ret"][:, 0]
    for model in (market_model, zero_alpha_model):
        low, high = single.conformal_interval(r0, model, EST, EV, 0.1)
        ps = {x: single.conformal(r0, model, EST, EV, x)["p"] for x in (low, high, low - 0.002, high + 0.002)}
        assert ps[low] >= 0.1 - 1 / 245 and ps[high] >= 0.1 - 1 / 245
        assert ps[low - 0.002] <= 0.1 and ps[high + 0.002] <= 0.1
        grid = np.linspace(low - 0.2, high + 0.2, 60)
        kept = [x for x in grid if single.conformal(r0, model, EST, EV, x)["p"] > 0.1]
        assert low <= min(kept) and max(kept) <= high


def test_windows_never_run_over_a_gap():
    fit = F8[6]  # rows 100, 101, 150, 222 missing
    starts = [q for q, _, _ in single.windows(fit, 5)]
    missing = [EST.index(t) for t in (100, 101, 150, 222)]
    assert all(not set(range(q, q + 5)) & set(missing) for q in starts)
    assert len(starts) == 236 - len({q for m in missing for q in range(m - 4, m + 1)})


def test_studentized_windows_have_the_variance_of_least_squares():
    fit = F8[0]
    q, _, v = single.windows(fit, 5)[40]
    X = models.intercept_and(MKT)[EST]
    u = X[q : q + 5].sum(axis=0)
    same(v, 5 - u @ np.linalg.inv(X.T @ X) @ u)


def test_placebo_length_follows_the_history():
    y = C["ret"][:, 0]
    long = dict(T0=140, T1=259, gap=9, window=(-1, 1))
    assert single.placebo_length(y, 0, **long) == 120  # 129 pseudo dates remain
    assert single.placebo_length(y, 140, **long) == 60  # nothing before: half of the estimation window
    assert single.placebo_length(y, 140, **(long | dict(window=(-5, 5)))) is None  # 11 > 120/20
    n = len(single.pseudo_dates(y, 140, 259, 60, 9, (-1, 1), 30))
    assert n == 120 - 60 - 9 - 3 + 1
    short = single.placebo_length(y, 215, T0=215, T1=259, gap=9, window=(0, 0))
    assert short == 30  # never below min_est


def test_selection_compares_with_the_largest_firm():
    rows = np.array([[1.0, -4.0], [2.0, 0.5], [0.1, 0.2], [np.nan, 9.0], [3.0, 1.0]])
    assert single.selection(3.0, rows) == dict(p=3 / 5, n=4, J=2)  # maxima 4, 2, 0.2, 3
    assert single.selection(-3.5, rows, sessions=2) == dict(p=2 / 4, n=3, J=2)  # 4, 2, 3


def test_placebo_in_time_and_space():
    table = {("a", 0): 3.0, ("a", 1): -4.0, ("a", 2): 1.0, ("b", 0): 2.0}
    answer = single.placebo_both(lambda firms, date: table[firms, date], "a", 0, [1, 2], ["b"])
    assert answer == dict(p_dates=2 / 3, p_sets=1 / 2)


def test_portfolio_drops_the_shortest_history():
    assert single.portfolio_members(C["ret"], EST, 30) == list(range(8))
    assert single.portfolio_members(C["ret"], EST, 100) == list(range(7))


def test_serial_correlation_term():
    fit = F8[0]
    e = fit["resid"]
    rho = [sum(e[j:] * e[:-j]) / sum(e * e) for j in range(1, 5)]
    expected = fit["s2"] * (fit["c"] + 2 * sum((5 - j) * rho[j - 1] for j in range(1, 5)))
    same(single.serial_car_se(fit) ** 2, expected)


# ---------------------------------------------------------------------------------------- models, no public value


def test_prior_beta_between_its_limits():
    r0 = C["ret"][:, 0]
    plain = zero_alpha_model(r0, EST, EV)
    loose = models.beta_prior(r0, MKT, EST, EV, 1.0, 1e6)
    same(loose["b"][1], plain["b"][1], 1e-9)
    same(models.beta_prior(r0, MKT, EST, EV, 0.7, 1e-9)["b"][1], 0.7, 1e-9)
    fit = models.beta_prior(r0, MKT, EST, EV, 1.0, 0.3)
    same(fit["c"], 5 + sum(MKT[EV]) ** 2 * fit["V"] / fit["s2"])
    assert 1.0 < fit["b"][1] < plain["b"][1]


def test_least_absolute_deviations_is_optimal():
    r0 = C["ret"][:, 0]
    fit = models.lad(r0, MKT, EST, EV)
    X = models.intercept_and(MKT)[EST]

    def loss(b):
        return np.abs(r0[EST] - X @ b).sum()

    assert loss(fit["b"]) == pytest.approx(fit["absolute_sum"], abs=1e-12)
    for step in itertools.product((-1e-5, 0, 1e-5), (-1e-3, 0, 1e-3)):
        assert loss(fit["b"] + step) >= loss(fit["b"]) - 1e-12
    assert sum(np.abs(fit["resid"]) < 1e-10) >= 2  # a vertex: two points on the line


def test_dimson_without_leads_is_the_market_model():
    r0 = C["ret"][:, 0]
    same(models.dimson(r0, MKT, EST, EV, 0)["ar"], F8[0]["ar"])
    fit = models.dimson(r0, MKT, EST, EV, 1, "sum_beta")
    same(fit["ar"], r0[EV] - fit["b"][0] - sum(fit["b"][1:]) * MKT[EV])


def test_trade_to_trade_without_gaps_is_least_squares_in_logs():
    rm, R, est, ev = noisy_market()
    log_p, log_pm = np.cumsum(R[:, 0]), np.cumsum(rm)
    fit = models.trade_to_trade(log_p, log_pm, est, ev)
    plain = models.market(R[:, 0], rm, est[1:], ev)
    same(fit["b"], plain["b"], 1e-9)
    same(fit["ar"], plain["ar"], 1e-9)
    same(fit["car_se"], plain["car_se"], 1e-9)
    log_p[123] = np.nan  # a halt inside the window: its return is booked on the next session
    halted = models.trade_to_trade(log_p, log_pm, est, ev)
    same(halted["car"], plain["car"], 1e-9)
    same(halted["c"], plain["c"], 1e-9)
    assert halted["L2"] == 2


def test_rolling_uses_the_last_rows():
    r0 = C["ret"][:, 0]
    same(models.rolling(r0, MKT, EST, EV, 60)["ar"], models.market(r0, MKT, EST[-60:], EV)["ar"])


def test_garch_recursions_by_hand():
    e = np.array([1.0, -2.0, 0.5])
    h = models.garch_filter(e, "garch", 0.1, 0.2, 0.5)
    same(h, [1.75, 0.1 + 0.2 + 0.875, 0.1 + 0.8 + 0.5 * 1.175, 0.1 + 0.05 + 0.5 * 1.4875])
    h = models.garch_filter(e, "gjr", 0.1, 0.2, 0.5, 0.3, h1=1.0)
    same(h, [1.0, 0.8, 0.1 + 0.5 * 4 + 0.4, 0.1 + 0.05 + 1.25])
    h = models.garch_filter(e, "egarch", 0.1, 0.2, 0.9, -0.1, h1=1.0)
    same(math.log(h[1]), 0.1 + 0.2 * (1 - math.sqrt(2 / math.pi)) - 0.1)
    far = models.garch_forecast(4.0, "gjr", 0.1, 0.05, 0.8, 0.1, 400)
    same(far[-1], 0.1 / (1 - 0.05 - 0.05 - 0.8), 1e-6)
    with pytest.raises(ValueError, match="EGARCH"):
        models.garch_forecast(1.0, "egarch", 0.1, 0.2, 0.9, steps=2)


def test_synthetic_control_by_two_routes():
    r0, donors = C["ret"][:, 0], C["ret"][:, 1:6]
    fit = models.synthetic_control(r0, donors, EST, EV)
    assert fit["kkt"] < 1e-8
    same(models.simplex_weights_slsqp(r0[EST], donors[EST]), fit["w"], 1e-7)
    rng = np.random.default_rng(11)
    D4 = 0.01 * rng.standard_normal((80, 4))
    exact = D4 @ [0.5, 0.5, 0, 0]
    same(models.simplex_weights(exact, D4), [0.5, 0.5, 0, 0], 1e-9)
    against = D4 @ [0.9, 0.6, -0.5, 0.0]  # the third donor wants a negative weight
    w = models.simplex_weights(against, D4)
    assert w[2] == 0 and models.kkt_gap(against, D4, w) < 1e-8


def test_demeaned_synthetic_control_has_mean_zero_gaps():
    fit = models.synthetic_control(C["ret"][:, 0], C["ret"][:, 1:6], EST, EV, demeaned=True)
    same(np.mean(fit["resid"]), 0.0)


def test_placebo_in_space_is_a_rank():
    answer = models.placebo_space(C["ret"][:, 0], C["ret"][:, 1:6], EST, EV)
    assert answer["smallest_p"] == 1 / 6
    assert answer["p"] == (1 + sum(x >= answer["stat"] for x in answer["placebo"])) / 6


def factor_panel(seed=3, T=130, J=12):
    rng = np.random.default_rng(seed)
    F = 0.01 * rng.standard_normal((T, 2))
    donors = F @ rng.choice([-1.5, -1.0, 1.0, 1.5], size=(2, J)) + 0.001 * rng.standard_normal((T, J))
    return F @ [1.0, -0.5] + 0.001 * rng.standard_normal(T), donors, list(range(120)), [123, 124, 125]


def test_generalised_synthetic_control_finds_the_factors():
    r, donors, est, ev = factor_panel(J=30)
    fit = models.gsynth(r, donors, est, ev)
    assert fit["n_factors"] == 2
    assert fit["s"] < 0.0015 and np.all(np.abs(fit["ar"]) < 0.005)


def test_ridge_limits_and_blocks():
    r, donors, est, ev = factor_panel(J=6)
    Z = (donors[est] - donors[est].mean(axis=0)) / donors[est].std(axis=0)
    same(models.ridge(r[est], Z, 0.0), np.linalg.lstsq(models.intercept_and(Z), r[est], rcond=None)[0], 1e-8)
    same(models.ridge(r[est], Z, 1e12)[1:], np.zeros(6), 1e-9)
    fit = models.peers_ridge(r, donors, est, ev)
    rest = list(range(24, 120))  # the first of five blocks is left out
    b = models.ridge(r[rest], Z[rest], fit["alpha"])
    same(fit["resid"][:24], r[:24] - b[0] - Z[:24] @ b[1:])


def test_peer_models():
    rm, R, est, ev = noisy_market()
    own, peers = R[:, 0], R[:, 1:]
    same(models.leave_one_out_mean(R, 0), peers.mean(axis=1))
    same(models.peers_ew(own, peers, est, ev)["ar"], (own - peers.mean(axis=1))[ev])
    same(models.peers_reg(own, peers, est, ev)["ar"], models.market(own, peers.mean(axis=1), est, ev)["ar"])
    both = models.market_industry(own, rm, peers.mean(axis=1), est, ev)
    assert both["k"] == 3 and both["df"] == 117


def test_market_adjusted_covariance_follows_its_sigma():
    for sigma in ("s_mean", "s_zero"):
        fits = [models.market_adjusted(C["ret"][:, i], MKT, EST, EV, sigma) for i in SIX]
        portfolio = models.market_adjusted(portfolio_series(), MKT, EST, EV, sigma)
        same(cross.mvrm(fits)["t_mean"], portfolio["scar"])
        same(portfolio["c"], 5.0)


# ---------------------------------------------------------------------------------------- tests, no public value


def test_wilcoxon_by_three_routes():
    x = cross.cars(F8)
    assert ranks.wilcoxon(x)["p_exact"] == ranks.wilcoxon_by_enumeration(x)
    assert ranks.wilcoxon(cross.cars(DISPERSED))["p_exact"] == pytest.approx(
        stats.wilcoxon(cross.cars(DISPERSED), method="exact").pvalue, abs=1e-12
    )
    tied = [0.1, -0.1, 0.2, 0.3, -0.2, 0.0, 0.5]
    assert ranks.wilcoxon(tied)["p_exact"] == ranks.wilcoxon_by_enumeration(tied)
    z = stats.wilcoxon(tied, method="asymptotic", zero_method="wilcox", correction=False)
    assert ranks.wilcoxon(tied)["p_z"] == pytest.approx(z.pvalue, abs=1e-12)


def test_average_ranks_are_scipys():
    x = np.array([3.0, 1.0, 3.0, np.nan, 2.0, 1.0])
    seen = np.isfinite(x)
    same(ranks.average_ranks(x)[seen], stats.rankdata(x[seen]))


def test_brown_forsythe_is_scipys():
    x, y = F8[0]["resid"], F8[1]["resid"][:90]
    theirs = stats.levene(x, y, center="median")
    same(cross.brown_forsythe(x, y)["stat"], theirs.statistic)
    same(cross.brown_forsythe(x, y)["p"], theirs.pvalue)
    assert 0 < cross.levene_bf(F8)["p"] < 1


def test_grank_variants_differ_only_in_the_window_value():
    """With a cross-sectional sd of 1 re-standardising changes nothing."""
    sd = np.std(cross.scars(F8), ddof=1)
    unit = [f | dict(scar=f["scar"] / sd) for f in F8]
    same(ranks.grank(unit, raw=True)["t"], ranks.grank(F8)["t"])
    assert ranks.grank(F8, raw=True)["t"] != ranks.grank(F8)["t"]


def test_standardised_ranks():
    A, L = ranks.standardized_matrix(F8)
    plain, _ = ranks.event_time_matrix(F8)
    same(A[:-L, 0], plain[:-L, 0] / F8[0]["s"])
    same(np.nanstd(A[-L:], axis=1, ddof=1), np.ones(L))
    assert math.isfinite(ranks.corrado_zivney(A, L)["z_multi"])


def test_log_variance_ratio_constants():
    draws = np.random.default_rng(0).chisquare(5, 200_000) / 5
    assert cross.log_var_null_mean(5) == pytest.approx(np.mean(np.log(draws)), abs=0.005)
    q = [cross.log_var(f) - cross.log_var_null_mean(f["L2"]) for f in F8]
    same(cross.log_var_ratio(F8, "normal")["stat"], cross.t_xs(q)["stat"])
    assert cross.log_var_estimation_mean(F8[0]) == pytest.approx(cross.log_var_null_mean(5), abs=0.5)


def test_weighted_average_of_independent_events():
    w = cross.pw_weights(F8, "inv_var")
    same(cross.weighted_caar_se(F8, w), 1 / math.sqrt(sum(1 / f["car_se"] ** 2 for f in F8)))
    same(cross.weighted_caar(F8, np.ones(8)), cross.caar(F8))
    apart = [f | dict(ev=[t + 10 * i for t in f["ev"]]) for i, f in enumerate(F6)]
    same(cross.weighted_caar_se(apart, np.ones(6), "overlap"), cross.weighted_caar_se(F6, np.ones(6)))


def test_average_interval():
    low, high = cross.caar_interval(DISPERSED)
    theirs = stats.t.interval(0.95, 19, np.mean(cross.cars(DISPERSED)), stats.sem(cross.cars(DISPERSED)))
    same([low, high], theirs)
    wide = cross.caar_interval(DISPERSED, r_w=0.1)
    same((wide[1] - wide[0]) / (high - low), math.sqrt((1 + 19 * 0.1) / 0.9))


def test_corrected_gls_variance():
    answer = cross.mvrm(F6)
    same((answer["t_gls"] / answer["t_gls_corrected"]) ** 2, 238 * 237 / (232 * 233))
    same(answer["weights"].sum(), 1.0)
    same(answer["weights"] @ cross.cars(F6), answer["gls"])


def test_crude_dependence_adjustment_of_estudy2():
    one = cross.cda_lamb(F6, MKT)
    h = 1 / 240 + (MKT[EV] - MKT[EST].mean()) ** 2 / sum((MKT[EST] - MKT[EST].mean()) ** 2)
    same(np.array(one) * np.sqrt(1 + h), cross.cda(F6)["t_day"])


def test_random_sign_flip_is_near_the_exact_one():
    x = cross.cars(F8)
    exact = resampling.sign_flip(x)["p"]
    long = np.concatenate([x, x, x[:1]])  # 17 firms: drawn, not enumerated
    drawn = resampling.sign_flip(long, rng=np.random.default_rng(1), B=199)
    assert drawn["smallest_p"] == 1 / 200 and 0 < drawn["p"] < exact


def test_wild_bootstrap_by_date():
    x = cross.cars(F8)
    alone = resampling.wild(x, np.random.default_rng(4), 199, clusters=list(range(8)))
    same(alone["p"], resampling.wild(x, np.random.default_rng(4), 199)["p"])
    dates = [0, 0, 1, 1, 2, 2, 3, 3]
    webb = resampling.wild(x, np.random.default_rng(4), 199, dates, "webb")
    assert 1 / 200 <= webb["p"] <= 1
    same(np.mean(np.square(resampling.WEBB)), 1.0)
    same(resampling.cluster_t(x, list(range(8))), cross.t_xs(x)["stat"])
    clustered = resampling.cluster_t(x, dates)
    ones = np.ones((8, 1))
    same(clustered, regression.xs_regression(ones, x, "CR1", dates)["t"][0])


def test_hein_westfall_for_a_slope_only_model():
    """One draw refitted by hand."""
    fits = zero_alpha_fits()
    E = np.column_stack([f["resid"] for f in fits])
    index = np.random.default_rng(9).integers(0, 240, size=(1, 245))[0]
    drawn = np.full((300, 6), np.nan)
    drawn[EST], drawn[EV] = E[index[:240]], E[index[240:]]
    again = [models.market_zero_alpha(drawn[:, i], MKT, EST, EV) for i in SIX]
    T2 = cross.mvrm(again)["T2"]
    X = models.intercept_and(MKT)
    for shift, hits in ((-1e-6, 1), (1e-6, 0)):
        answer = resampling.hein_westfall(
            E, X[EST], X[EV], fits[0]["c"], T2 + shift, np.random.default_rng(9), 1, 239, "zero_alpha"
        )
        assert answer["n_ge"] == hits


def test_placebo_joint_adds_the_firms_of_a_date():
    sums = resampling.group_sums(F6)
    assert len(sums) == 237
    same(sums[-1], sum(f["scar"] for f in F6))
    same(sums[0], sum(single.studentized_windows(f, 5)[0][1] for f in F6))


def test_adjusted_p_values_are_ordered():
    p = [single.t_car(f)["p"] for f in F8]
    same(resampling.bonferroni(p), np.minimum(1, 8 * np.array(p)))
    assert all(b >= h >= q for b, h, q in zip(resampling.bonferroni(p), resampling.holm(p), p, strict=True))
    same(resampling.by(p), stats.false_discovery_control(p, method="by"))
    same(resampling.bh(p), stats.false_discovery_control(p, method="bh"))


# ---------------------------------------------------------------------------------------- regressions, intraday, power


def test_two_component_variance():
    x, v = cross.cars(F6), [f["car_se"] ** 2 for f in F6]
    answer = regression.fgls(Z6, x, v)
    root = 1 / np.sqrt(answer["sigma_u2"] + np.array(v))
    same(answer["b"], np.linalg.lstsq(Z6 * root[:, None], x * root, rcond=None)[0], 1e-9)
    spread = regression.fgls(Z6, x, [1e-9] * 6)
    u = x - Z6 @ regression.xs_regression(Z6, x)["b"]
    same(spread["sigma_u2"], (u @ u) / 4 - 1e-9)  # tr(I - H) = n - k: nearly all variance is sigma_u2
    assert regression.fgls(Z6, x, [1.0] * 6)["sigma_u2"] == 0


def test_wild_cluster_bootstrap_draws_under_the_null():
    answer = resampling.wild_cluster(Z6, cross.cars(F6), PAIRS, 1, np.random.default_rng(2), 99)
    own = regression.xs_regression(Z6, cross.cars(F6), "CR1", PAIRS)
    same(answer["stat"], own["t"][1])
    assert 1 / 100 <= answer["p"] <= 1


def test_newey_west_without_lags_is_hc0():
    X = models.intercept_and(MKT[EST])
    y = C["ret"][EST, 0]
    same(regression.newey_west(y, X, 0)["se"], regression.xs_regression(X, y, "HC0")["se"])
    assert [regression.newey_west_lag(T) for T in (90, 100, 250)] == [3, 4, 4]


def test_calendar_portfolio_membership():
    rows = regression.calendar_portfolio(D["ret"], D["pos"], 5)
    assert rows[0][0] == 306 and rows[0][2] == [0]
    assert rows[2] == (308, pytest.approx(np.mean(D["ret"][308, :2])), [0, 1])
    assert all(len(m) >= 2 for _, _, m in regression.calendar_portfolio(D["ret"], D["pos"], 5, 2))


def test_standardised_calendar_time():
    R = np.random.default_rng(8).standard_normal((200, 2))
    answer = regression.calendar_time_standardized(R, np.zeros((200, 2)), [150, 150], 3)
    P = R.mean(axis=1)
    z = [P[t] / np.std(P[t - 60 : t], ddof=1) for t in (150, 151, 152)]
    same(answer["stat"], np.mean(z) * math.sqrt(3))


def test_prais_winsten_recovers_the_mean_of_an_ar1():
    rng = np.random.default_rng(6)
    u = np.zeros(4000)
    for t in range(1, 4000):
        u[t] = 0.6 * u[t - 1] + rng.standard_normal()
    answer = regression.prais_winsten(2.0 + u, np.ones((4000, 1)))
    assert answer["rho"] == pytest.approx(0.6, abs=0.04)
    assert answer["b"][0] == pytest.approx(2.0, abs=4 * answer["se"][0])
    assert answer["se"][0] == pytest.approx(1 / 0.4 / math.sqrt(4000), rel=0.1)


def test_robust_pattern_shrugs_off_the_jump():
    clean, with_jump = I["r"].copy(), I["r"].copy()
    clean[25, 2] -= 0.18
    for weights in ("huber", "hard"):
        shift = intraday.wsd_pattern(with_jump, weights) / intraday.wsd_pattern(clean, weights)
        assert abs(shift[2] - 1) < 0.25
        same(np.mean(intraday.wsd_pattern(clean, weights) ** 2), 1.0)
    assert intraday.diurnal_rms(with_jump)[2] / intraday.diurnal_rms(clean)[2] > 3


def test_shortest_half():
    same(intraday.shortest_half(np.array([0.0, 10.0, 4.0, 5.0, 4.5])), 0.7413 * 1.0)  # three of five: 4, 4.5, 5


def test_falls_are_read_from_the_low():
    down = dict(prev_close=100.0, open=98.0, high=99.0, low=80.0, close=85.0)
    answer = intraday.decomposition(down)
    assert answer["direction"] == -1
    same(answer["peak_gain"], -0.2)
    same(answer["give_back"], 0.25)
    same(answer["overnight"] + answer["rise"] + answer["retreat"], answer["total"])
    x = [intraday.excursion(day, -1) for day in QUIET]
    falling = intraday.intraday_extreme(math.log(0.8), x, [0.01, -0.02, 0.03], -1)
    assert falling["p_rank"] == 1 / 26 and falling["robust_z"] > 0


def test_har_on_a_constant_series():
    rv = np.full(60, 0.0004)
    same(intraday.har_forecast(rv), 0.0004)
    same(intraday.day_sigma(rv, 66), math.sqrt(0.0004 / 66))


def test_bar_model_and_same_clock():
    rng = np.random.default_rng(10)
    rm = 0.001 * rng.standard_normal((12, 20))
    X = intraday.lag_now_lead(rm)
    r = np.where(np.all(np.isfinite(X), axis=1), np.nan_to_num(X) @ [0.1, 1.2, 0.2], np.nan)
    r = r + 1e-5 * rng.standard_normal(len(r))
    fit = intraday.intraday_market(r, X, range(200), range(220, 240))
    same(fit["b"], [0.1, 1.2, 0.2], 0.01)
    assert fit["M"] == 10 * 18 and fit["k"] == 3
    assert intraday.same_clock([1.0, 1.0], [[0.5, 0.5], [-2.0, -1.0], [0.0, 0.1]])["p"] == 2 / 4
    same(intraday.bar_car([0.01, 0.02], 0.01, [1.0, 2.0])["z"], 0.03 / math.sqrt(0.01**2 + 0.02**2))


def test_moments_of_the_absolute_normal():
    same(intraday.mu(1), math.sqrt(2 / math.pi))
    same(intraday.mu(2), 1.0)


def test_smallest_detectable_effects():
    same(power.power_t(power.mde_t(0.02, 40), 0.02, 40), 0.8, 1e-9)
    assert power.mde_t(0.02, 40) > power.mde_z(0.02)
    same(power.mde_t(0.02, 1e6), power.mde_z(0.02), 1e-4)
    same(power.sd_caar(0.02, 4), 0.01)
    same(power.sd_caar(0.02, 4, 1.0), 0.02)


def test_lasting_constants():
    same(models.NORMAL_Q75, stats.norm.ppf(0.75))
    same(special.ndtri(0.75), optimize.brentq(lambda x: stats.norm.cdf(x) - 0.75, 0, 2), 1e-9)
