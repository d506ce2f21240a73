"""Exchanges, their sessions and hours: suffixes, stored tables against the library, corrections, horizon."""

import csv
import subprocess
import sys

import exchange_calendars
import numpy as np
import pytest

from abnormal.errors import BadData, OutsideCalendar, RequestError, UnknownName
from abnormal.inputs import calendars, hours
from abnormal.inputs.exchanges import EXCHANGES, calendar_mic, currency_of, exchange_of, timezone_of
from abnormal.inputs.sessions import session_calendar

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own use of pandas


def dates(*texts):
    return np.array(texts, dtype="datetime64[D]")


# ---------------------------------------------------------------------------------------------------- exchanges


@pytest.mark.parametrize(
    "ticker, mic, zone, currency",
    [
        ("2513.HK", "XHKG", "Asia/Hong_Kong", "HKD"),
        ("688041.SS", "XSHG", "Asia/Shanghai", "CNY"),
        ("002230.SZ", "XSHG", "Asia/Shanghai", "CNY"),
        ("8035.T", "XTKS", "Asia/Tokyo", "JPY"),
        ("000660.KS", "XKRX", "Asia/Seoul", "KRW"),
        ("035900.KQ", "XKRX", "Asia/Seoul", "KRW"),
        ("2330.TW", "XTAI", "Asia/Taipei", "TWD"),
        ("6488.TWO", "XTAI", "Asia/Taipei", "TWD"),
        ("ARM.L", "XLON", "Europe/London", "GBP"),
        ("STM.PA", "XPAR", "Europe/Paris", "EUR"),
        ("IFX.DE", "XETR", "Europe/Berlin", "EUR"),
        ("ASML.AS", "XAMS", "Europe/Amsterdam", "EUR"),
        ("NESN.SW", "XSWX", "Europe/Zurich", "CHF"),
        ("SHOP.TO", "XTSE", "America/Toronto", "CAD"),
        ("BHP.AX", "XASX", "Australia/Sydney", "AUD"),
        ("INFY.NS", "XBOM", "Asia/Kolkata", "INR"),
        ("INFY.BO", "XBOM", "Asia/Kolkata", "INR"),
        ("NVDA", "XNYS", "America/New_York", "USD"),
        ("BRK-B", "XNYS", "America/New_York", "USD"),
        ("^GSPC", "XNYS", "America/New_York", "USD"),
        ("^NDX", "XNYS", "America/New_York", "USD"),
        ("^DJI", "XNYS", "America/New_York", "USD"),
        ("^IXIC", "XNYS", "America/New_York", "USD"),
        ("^HSI", "XHKG", "Asia/Hong_Kong", "HKD"),
        ("^N225", "XTKS", "Asia/Tokyo", "JPY"),
        (" 2513.hk ", "XHKG", "Asia/Hong_Kong", "HKD"),
    ],
)
def test_exchange_zone_and_currency_of_a_ticker(ticker, mic, zone, currency):
    assert exchange_of(ticker) == mic
    assert (timezone_of(mic), currency_of(mic)) == (zone, currency)


@pytest.mark.parametrize(
    "ticker, words",
    [
        ("2513.HKG", r"\.HK .*none = US"),
        ("BRK.B", "a US share class is written BRK-B"),
        ("^HSIX", 'did you mean "\\^HSI"'),
        ("GC=F", "no exchange sessions"),
        (".HK", "suffix"),
        ("", "no exchange sessions"),
    ],
)
def test_an_unknown_suffix_names_the_known_ones(ticker, words):
    with pytest.raises(UnknownName, match=words):
        exchange_of(ticker)


def test_markets_that_share_sessions_share_a_calendar():
    pairs = {"XSHE": "XSHG", "XKOS": "XKRX", "ROCO": "XTAI", "XNSE": "XBOM", "XNAS": "XNYS", "XHKG": "XHKG"}
    assert {mic: calendar_mic(mic) for mic in pairs} == pairs
    assert session_calendar("XSHE") is session_calendar("XSHG")
    with pytest.raises(UnknownName, match="Known MICs"):
        timezone_of("XXXX")


def test_exchanges_without_a_table_have_the_zone_the_library_gives_them():
    """Those with a table are compared in UTC below."""
    for exchange in EXCHANGES:
        if exchange.mic not in hours.stored_mics():
            assert str(exchange_calendars.get_calendar(exchange.mic).tz) == exchange.timezone


# ---------------------------------------------------------------------------------------------------- stored tables


def table_version(mic):
    with hours.table_path(mic).open(encoding="utf-8") as lines:
        return next(lines).split("exchange_calendars ")[1].strip()


@pytest.mark.parametrize("mic", hours.stored_mics())
def test_stored_table_equals_the_library_with_our_corrections(mic):
    """Sessions and UTC hours as the library's own schedule has them, corrected where overrides.csv speaks."""
    if table_version(mic) != exchange_calendars.__version__:
        pytest.skip(f"table made with exchange_calendars {table_version(mic)}; run data/calendars/make.py and compare")
    stored = session_calendar(mic)
    library = exchange_calendars.get_calendar(mic, start=str(stored.known[0]), end=str(stored.known[1]))
    changed = {o.date: o.kind for o in hours.overrides() if o.mic == mic}
    sessions = library.sessions.to_numpy().astype("datetime64[D]")
    shut = [day for day, kind in changed.items() if kind == "closed"]
    assert np.array_equal(stored.sessions, np.setdiff1d(sessions, shut))
    same, rows = ~np.isin(stored.sessions, list(changed)), ~np.isin(sessions, list(changed))
    columns = {"open": "opens", "close": "closes", "break_start": "break_starts", "break_end": "break_ends"}
    for theirs, ours in columns.items():
        want = library.schedule[theirs].dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
        assert np.array_equal(getattr(stored, ours)[same], want[rows], equal_nan=True)


def test_the_library_path_gives_the_same_calendar_as_the_table():
    table, library = session_calendar("XHKG"), calendars._in_utc("XHKG", hours.library_hours("XHKG", "2015-01-01"))
    cut = table.between("2015-01-01", None)
    for name in ("sessions", "opens", "closes", "break_starts", "break_ends", "day_starts", "day_ends", "late_open"):
        assert np.array_equal(getattr(cut, name), getattr(library, name), equal_nan=True), name
    assert np.array_equal(cut.half_day, library.half_day)


def test_a_run_needs_no_library():
    code = (
        "import sys, datetime as dt\n"
        "from abnormal.domain import Event\n"
        "from abnormal.inputs.sessions import align\n"
        "[align(Event('e', date=dt.date(2026, 6, 12)), mic) for mic in ('XHKG', 'XNYS')]\n"
        "print(*{'pandas', 'exchange_calendars'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_table_rows_read_back_to_the_same_hours():
    sessions = np.arange("2026-03-02", "2026-06-01", dtype="datetime64[D]")
    sessions = sessions[np.is_busday(sessions) & (sessions != np.datetime64("2026-04-03"))]
    sessions = np.append(sessions, np.datetime64("2026-06-06"))  # a Saturday
    minutes = np.tile([570, 720, 780, 960], (sessions.size, 1))
    minutes[sessions >= np.datetime64("2026-05-04"), 3] = 990  # a new rule
    minutes[20] = [570, -1, -1, 720]
    written = hours.LocalHours(
        sessions, minutes, hours.usual_hours(minutes), (sessions[0], np.datetime64("2026-06-30"))
    )
    names = ["date", "kind", "open", "break_start", "break_end", "close"]
    rows = [dict(zip(names, row, strict=True)) for row in hours.table_rows(written)]
    assert [r["kind"] for r in rows].count("hours") == 2 and [r["kind"] for r in rows].count("day") == 2
    read = hours.read_table(rows)
    assert np.array_equal(read.sessions, written.sessions) and np.array_equal(read.minutes, written.minutes)
    assert np.array_equal(read.usual, written.usual) and read.known == written.known


def test_hours_of_a_session_on_the_day_the_clocks_change():
    """A Sunday session in New York: midnight is still winter time, the open is summer time."""
    minutes = np.array([[570, -1, -1, 960]])
    starts, ends, times = calendars._utc(dates("2026-03-08"), minutes, "America/New_York")
    assert str(starts[0]) == "2026-03-08T05:00:00.000000000"
    assert str(ends[0]) == "2026-03-09T04:00:00.000000000"
    assert times[0, [0, 3]].astype(str).tolist() == ["2026-03-08T13:30:00.000000000", "2026-03-08T20:00:00.000000000"]
    assert np.isnat(times[0, 1:3]).all()


# ---------------------------------------------------------------------------------------------------- the calendar


def test_weather_closures_and_late_opens_of_hong_kong():
    calendar = session_calendar("XHKG")
    closed = ["2020-10-13", "2021-10-13", "2023-07-17", "2023-09-01", "2023-09-08", "2024-09-06"]
    assert not calendar.is_session(dates(*closed, "2026-06-19", "2026-07-01")).any()
    assert calendar.is_session(dates("2024-11-14", "2025-09-24")).all()  # traded through the weather
    late = np.flatnonzero(calendar.late_open)
    assert calendar.sessions[late].astype(str).tolist() == ["2020-08-19", "2021-06-28", "2023-10-09"]
    opens = calendar.opens[late].astype("datetime64[m]").astype(str).tolist()
    assert opens == ["2020-08-19T05:30", "2021-06-28T05:30", "2023-10-09T06:00"]
    assert np.isnat(calendar.break_starts[late]).all()


def test_half_days_of_hong_kong_in_2026():
    calendar = session_calendar("XHKG", "2026-01-01", "2026-12-31")
    assert calendar.sessions[calendar.half_day].astype(str).tolist() == ["2026-02-16", "2026-12-24", "2026-12-31"]


@pytest.mark.parametrize("mic, count", [("XHKG", 248), ("XNYS", 251), ("XAMS", 258)])
def test_sessions_of_2027_are_known(mic, count):
    assert len(session_calendar(mic, "2027-01-01", "2027-12-31")) == count


def test_position_side_and_offset():
    calendar = session_calendar("XHKG")
    here = int(calendar.position("2026-06-18")[0])
    assert calendar.position(dates("2026-06-19", "2026-06-20", "2026-06-22")).tolist() == [here + 1] * 3
    assert calendar.position(dates("2026-06-18", "2026-06-19", "2026-06-21"), "previous").tolist() == [here] * 3
    assert calendar.position("2026-06-18", "exact").tolist() == [here]
    with pytest.raises(RequestError, match="2026-06-19 is not a session of XHKG; the nearest ones are 2026-06-18 and"):
        calendar.position("2026-06-19", "exact")
    assert [str(calendar.offset("2026-06-18", k)) for k in (-1, 0, 1)] == ["2026-06-17", "2026-06-18", "2026-06-22"]
    with pytest.raises(OutsideCalendar, match="take a shorter window"):
        calendar.offset("2026-06-18", 1000)
    assert (str(calendar.first), str(calendar.last)) == ("1990-01-02", "2027-12-31")
    assert repr(calendar) == f"SessionCalendar(XHKG, {len(calendar)} sessions, 1990-01-02 to 2027-12-31)"


def test_bounds_cut_or_extend_the_calendar():
    cut = session_calendar("XHKG", "2026-06-13", "2026-06-21")
    assert cut.sessions.astype(str).tolist() == ["2026-06-15", "2026-06-16", "2026-06-17", "2026-06-18"]
    assert session_calendar("XHKG", "2026-06-13", "2026-06-21") is cut
    early = session_calendar("XHKG", start="1985-01-02", end="1985-03-01")
    assert str(early.first) == "1985-01-02" and early.opens[0] == np.datetime64("1985-01-02T02:00")
    with pytest.raises(RequestError, match="no session from 2026-06-13 to 2026-06-14"):
        session_calendar("XHKG", "2026-06-13", "2026-06-14")


def test_arrays_of_a_calendar_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        session_calendar("XHKG").closes[0] = np.datetime64("NaT")


def test_an_exchange_without_a_table_comes_from_the_library():
    calendar = session_calendar("XSTO")
    assert calendar.tz == "Europe/Stockholm" and not calendar.is_session(dates("2026-06-19"))[0]
    assert "XSTO" not in hours.stored_mics()


@pytest.mark.parametrize("mic, day", [("XSHG", "2026-12-31"), ("XBOM", "2026-12-31")])
def test_the_horizon_is_said(mic, day):
    if table_version(mic) != exchange_calendars.__version__:
        pytest.skip("another library may know more")
    calendar = session_calendar(mic)
    assert str(calendar.known[1]) == str(calendar.last) == day
    with pytest.raises(OutsideCalendar, match=f"2027-01-04 lies outside the calendar of {mic}.*last session {day}"):
        session_calendar(mic, end="2027-01-04")
    with pytest.raises(OutsideCalendar, match='calendar="panel"'):
        calendar.position("2027-01-04")


def test_a_table_that_ends_too_early_is_extended_by_the_library(monkeypatch):
    short = hours.library_hours("XCSE", "2020-01-01", "2025-12-31")
    monkeypatch.setattr(calendars, "stored_hours", lambda mic: short)
    calendars._calendar.cache_clear()
    try:
        assert str(session_calendar("XCSE").last) == "2025-12-30"
        assert calendars.reaching("XCSE", np.datetime64("2025-06-02")) is session_calendar("XCSE")
        longer = calendars.reaching("XCSE", np.datetime64("2026-06-01"))
        assert str(longer.first) == "2020-01-02" and longer.is_session(dates("2026-06-01"))[0]
    finally:
        calendars._calendar.cache_clear()


# ---------------------------------------------------------------------------------------------------- corrections


def one_week():
    sessions = np.arange("2026-06-15", "2026-06-20", dtype="datetime64[D]")
    minutes = np.tile([570, 720, 780, 960], (5, 1))
    return hours.LocalHours(sessions, minutes, minutes.copy(), (sessions[0], np.datetime64("2026-06-21")))


def corrected(kind, day, *minutes):
    change = hours.Override("XHKG", np.datetime64(day), kind, minutes, "source", "")
    return hours.with_overrides(one_week(), [change])


@pytest.mark.parametrize(
    "kind, minutes, hours_of_day",
    [
        ("late_open", (630,), [630, 720, 780, 960]),
        ("late_open", (720,), [780, -1, -1, 960]),
        ("late_open", (810,), [810, -1, -1, 960]),
        ("early_close", (900,), [570, 720, 780, 900]),
        ("early_close", (720,), [570, -1, -1, 720]),
        ("early_close", (780,), [570, -1, -1, 720]),
        ("open", (600, 700), [600, -1, -1, 700]),
        ("open", (), [570, 720, 780, 960]),
    ],
)
def test_corrected_hours(kind, minutes, hours_of_day):
    found = corrected(kind, "2026-06-17", *minutes)
    assert found.minutes[2].tolist() == hours_of_day
    assert np.array_equal(np.delete(found.minutes, 2, axis=0), np.delete(one_week().minutes, 2, axis=0))
    assert np.array_equal(found.usual, one_week().usual)


def test_closed_and_extra_sessions():
    assert corrected("closed", "2026-06-17").sessions.tolist() == np.delete(one_week().sessions, 2).tolist()
    assert corrected("closed", "2026-06-20").sessions.size == 5
    extra = corrected("open", "2026-06-20")
    assert str(extra.sessions[-1]) == "2026-06-20" and extra.minutes[-1].tolist() == [570, 720, 780, 960]
    assert corrected("closed", "2026-07-17").sessions.size == 5  # beyond what the calendar speaks for
    with pytest.raises(BadData, match="leaves no trading hours"):
        corrected("late_open", "2026-06-17", 960)


@pytest.mark.parametrize(
    "row, words",
    [
        ("XHKG,2023-09-01,shut,,s,", "kind 'shut' is none of closed, open, late_open, early_close"),
        ("XHKG,2023-13-01,closed,,s,", "overrides.csv:2: month must be in 1..12"),
        ("XHKG,2023-09-01,late_open,25:00,s,", "write dates as 2023-09-01 and times as 13:30"),
        ("XHKG,2023-09-01,late_open,,s,", "does not go with kind 'late_open'"),
        ("XHKG,2023-09-01,closed,13:30,s,", "does not go with kind 'closed'"),
        ("XHKG,2023-09-01,closed,,,", "needs a source"),
    ],
)
def test_a_wrong_correction_names_its_line(tmp_path, row, words):
    path = tmp_path / "overrides.csv"
    path.write_text(f"mic,date,kind,time,source,note\n{row}\n", encoding="utf-8")
    with pytest.raises(BadData, match=words):
        hours.read_overrides(path)


def test_a_correction_with_a_span_of_hours_and_a_shared_calendar(tmp_path):
    path = tmp_path / "overrides.csv"
    path.write_text("mic,date,kind,time,source,note\nXSHE,2026-06-20,open,09:30-15:00,s,n\n", encoding="utf-8")
    (change,) = hours.read_overrides(path)
    assert (change.mic, change.minutes) == ("XSHG", (570, 900))


def test_every_shipped_correction_has_a_source_and_a_known_exchange():
    with (hours.data_path("calendars", "overrides.csv")).open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(hours.overrides()) >= 5
    for row in rows:
        assert row["source"].startswith("https://") or row["source"] == "unconfirmed"
        assert row["mic"] in hours.stored_mics()
