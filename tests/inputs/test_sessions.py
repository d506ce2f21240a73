"""From a time to a session: check values, every class, dates and hints, cautions, halts, and a slow readable twin."""

import csv
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from abnormal.domain import Event
from abnormal.errors import EventError, OutsideCalendar, RequestError, UnknownName
from abnormal.inputs.sessions import (
    CLASSES,
    Alignment,
    align,
    align_many,
    align_timestamps,
    classify,
    event_interval,
    panel_calendar,
    resume,
    session_calendar,
)

HERE = Path(__file__).parent
AUCTION = "in closing auction: the close of tau = -1 may hold part of the reaction"


def timed(text, zone, **facts):
    return Event("e", at=dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)), precision="minute", **facts)


def dated(day, **facts):
    return Event("e", date=dt.date.fromisoformat(day), **facts)


def utc(*texts):
    return np.array(texts, dtype="datetime64[ns]")


# ---------------------------------------------------------------------------------------------------- clock times

CHECK_VALUES = [
    ("2026-06-12T17:00", "America/New_York", "2026-06-15", "closed", ()),
    ("2026-06-12T02:00", "America/New_York", "2026-06-12", "in_session", ()),
    ("2026-06-18T15:59", "Asia/Hong_Kong", "2026-06-18", "in_session", ("late in session",)),
    ("2026-06-18T16:00", "Asia/Hong_Kong", "2026-06-22", "after_close", (AUCTION,)),
    ("2026-06-30T18:00", "Asia/Hong_Kong", "2026-07-02", "after_close", ()),
    ("2026-06-15T12:30", "Asia/Hong_Kong", "2026-06-15", "lunch", ()),
]


@pytest.mark.parametrize("text, zone, session, name, flags", CHECK_VALUES)
def test_check_values_of_a_clock_time_in_hong_kong(text, zone, session, name, flags):
    found = align(timed(text, zone), "XHKG")
    assert (str(found.session), found.reaction_class, found.flags) == (session, name, flags)
    assert found.session == found.last and found.first_ts == found.last_ts


def test_check_value_of_a_date_in_new_york():
    found = align(dated("2026-06-12", timezone="America/New_York"), "XHKG")
    assert (str(found.session), str(found.last)) == ("2026-06-12", "2026-06-15")
    assert found.extra_windows == ((0, 1),)
    assert found.flags == ("event time unknown",)
    assert found.reaction_class == "date_only"


# local time, exchange, session, class: each class, its first and its last minute
EDGES = [
    ("2026-06-15T00:00", "XHKG", "2026-06-15", "pre_open"),
    ("2026-06-15T09:29", "XHKG", "2026-06-15", "pre_open"),
    ("2026-06-15T09:30", "XHKG", "2026-06-15", "in_session"),
    ("2026-06-15T11:59", "XHKG", "2026-06-15", "in_session"),
    ("2026-06-15T12:00", "XHKG", "2026-06-15", "lunch"),
    ("2026-06-15T12:59", "XHKG", "2026-06-15", "lunch"),
    ("2026-06-15T13:00", "XHKG", "2026-06-15", "in_session"),
    ("2026-06-15T16:00", "XHKG", "2026-06-16", "after_close"),
    ("2026-06-15T23:59", "XHKG", "2026-06-16", "after_close"),
    ("2026-06-12T23:59", "XHKG", "2026-06-15", "after_close"),
    ("2026-06-13T00:00", "XHKG", "2026-06-15", "closed"),
    ("2026-06-14T23:59", "XHKG", "2026-06-15", "closed"),
    ("2026-07-01T11:00", "XHKG", "2026-07-02", "closed"),
    ("2026-02-16T11:59", "XHKG", "2026-02-16", "in_session"),  # half day: closes at noon, no lunch break
    ("2026-02-16T12:00", "XHKG", "2026-02-20", "after_close"),
    ("2026-12-24T12:30", "XHKG", "2026-12-28", "after_close"),
    ("2023-09-01T11:00", "XHKG", "2023-09-04", "closed"),  # typhoon
    ("2023-08-31T17:00", "XHKG", "2023-09-04", "after_close"),
    ("2023-09-08T11:00", "XHKG", "2023-09-11", "closed"),
    ("2020-10-13T11:00", "XHKG", "2020-10-14", "closed"),
    ("2020-08-19T11:00", "XHKG", "2020-08-19", "pre_open"),  # late open at 13:30: no morning, no lunch break
    ("2020-08-19T12:30", "XHKG", "2020-08-19", "pre_open"),
    ("2020-08-19T13:30", "XHKG", "2020-08-19", "in_session"),
    ("2021-06-28T13:29", "XHKG", "2021-06-28", "pre_open"),
    ("2023-10-09T13:00", "XHKG", "2023-10-09", "pre_open"),
    ("2026-06-15T11:30", "XSHG", "2026-06-15", "lunch"),
    ("2026-06-15T15:00", "XSHE", "2026-06-16", "after_close"),
    ("2026-06-15T11:45", "XTKS", "2026-06-15", "lunch"),
    ("2026-06-15T15:29", "XTKS", "2026-06-15", "in_session"),
    ("2024-11-01T15:00", "XTKS", "2024-11-05", "after_close"),  # Tokyo closed at 15:00 until November 2024
    ("2026-06-15T13:30", "XTAI", "2026-06-16", "after_close"),
    ("2026-11-27T12:59", "XNYS", "2026-11-27", "in_session"),
    ("2026-11-27T13:00", "XNYS", "2026-11-30", "after_close"),
    ("2026-11-26T10:00", "XNYS", "2026-11-27", "closed"),
]


@pytest.mark.parametrize("text, mic, session, name", EDGES)
def test_classes_at_their_edges(text, mic, session, name):
    found = align(timed(text, session_calendar(mic).tz), mic)
    assert (str(found.session), found.reaction_class) == (session, name)


def test_an_instant_before_the_close_belongs_to_the_session_and_the_close_does_not():
    calendar = session_calendar("XHKG")
    close = calendar.closes[calendar.position("2026-06-15")]
    position, _ = classify(np.concatenate([close - np.timedelta64(1, "ns"), close]), calendar)
    assert calendar.sessions[position].astype(str).tolist() == ["2026-06-15", "2026-06-16"]


@pytest.mark.parametrize("day, open_utc", [("2026-03-06", "14:30"), ("2026-03-09", "13:30"), ("2026-11-02", "14:30")])
def test_new_york_opens_by_its_own_clock_when_the_clocks_change(day, open_utc):
    instant = np.datetime64(f"{day}T{open_utc}", "ns")
    _, before = classify(np.array([instant - np.timedelta64(1, "s"), instant]), session_calendar("XNYS"))
    assert [CLASSES[c] for c in before] == ["pre_open", "in_session"]


@pytest.mark.parametrize("text, late", [("15:30", False), ("15:31", True), ("15:59", True), ("12:10", False)])
def test_late_in_session_means_less_than_thirty_minutes_left(text, late):
    found = align(timed(f"2026-06-15T{text}", "Asia/Hong_Kong"), "XHKG")
    assert ("late in session" in found.flags) is late
    assert found.extra_windows == (((0, 1),) if late else ())


def test_min_reaction_minutes_is_an_option():
    event = timed("2026-06-15T15:59", "Asia/Hong_Kong")
    assert align(event, "XHKG", min_reaction_minutes=1).flags == ()
    assert align(event, "XHKG", min_reaction_minutes=2).flags == ("late in session",)


@pytest.mark.parametrize("text, flagged", [("16:00", True), ("16:09", True), ("16:10", False), ("15:59", False)])
def test_closing_auction_off_keeps_the_next_session_and_says_so(text, flagged):
    found = align(timed(f"2026-06-15T{text}", "Asia/Hong_Kong"), "XHKG")
    assert (AUCTION in found.flags) is flagged
    assert ((-1, 0) in found.extra_windows) is flagged
    assert str(found.session) == ("2026-06-15" if text == "15:59" else "2026-06-16")


@pytest.mark.parametrize("text, session", [("16:00", "15"), ("16:09", "15"), ("16:10", "16")])
def test_closing_auction_on_extends_the_session_to_its_end(text, session):
    found = align(timed(f"2026-06-15T{text}", "Asia/Hong_Kong"), "XHKG", closing_auction=True)
    assert str(found.session) == f"2026-06-{session}"
    assert AUCTION not in found.flags


def test_closing_auction_on_a_half_day_and_where_none_is_known():
    assert AUCTION in align(timed("2026-02-16T12:05", "Asia/Hong_Kong"), "XHKG").flags
    event = timed("2026-06-15T16:05", "America/New_York")
    assert align(event, "XNYS", closing_auction=True).flags == align(event, "XNYS").flags == ()


def test_a_half_day_and_a_late_open_are_said():
    assert align(timed("2026-02-16T10:00", "Asia/Hong_Kong"), "XHKG").flags == ("half day",)
    assert align(timed("2020-08-19T10:00", "Asia/Hong_Kong"), "XHKG").flags == ("late open",)
    assert align(timed("2026-11-27T10:00", "America/New_York"), "XNYS").flags == ("half day",)


# ---------------------------------------------------------------------------------------------------- dates and hints


def test_a_date_without_a_zone_is_the_exchanges_own():
    found = align(dated("2026-06-15"), "XHKG")
    assert (str(found.session), str(found.last), found.extra_windows) == ("2026-06-15", "2026-06-16", ((0, 1),))
    assert str(found.first_ts) == "2026-06-14T16:00:00.000000000"


@pytest.mark.parametrize(
    "day, hint, session, name",
    [
        ("2026-06-15", "pre_open", "2026-06-15", "pre_open"),
        ("2026-06-15", "in_session", "2026-06-15", "in_session"),
        ("2026-06-15", "intraday", "2026-06-15", "in_session"),
        ("2026-06-15", "after_close", "2026-06-16", "after_close"),
        ("2026-06-12", "post_close", "2026-06-15", "after_close"),
        ("2026-06-13", "weekend", "2026-06-15", "closed"),
        ("2026-06-13", "unknown", "2026-06-15", "closed"),
    ],
)
def test_a_hint_settles_the_session_of_its_own_market(day, hint, session, name):
    found = align(dated(day, session_hint=hint), "XHKG")
    assert (str(found.session), found.reaction_class, found.flags) == (session, name, ())
    assert found.session == found.last and found.extra_windows == ()


def test_a_post_close_hint_in_new_york_is_the_next_day_in_hong_kong():
    event = dated("2026-06-11", timezone="America/New_York", session_hint="post_close", session_market="XNYS")
    here, there = align(event, "XNYS"), align(event, "XHKG")
    assert (str(here.session), here.reaction_class) == ("2026-06-12", "after_close")
    assert (str(there.session), there.reaction_class, there.flags) == ("2026-06-12", "pre_open", ())
    assert here.first_ts == there.first_ts == np.datetime64("2026-06-11T20:00")


def test_a_nasdaq_hint_is_read_in_new_york_and_a_weekend_hint_means_the_whole_day():
    nasdaq = dated("2026-06-11", timezone="America/New_York", session_hint="post_close", session_market="XNAS")
    assert str(align(nasdaq, "XHKG").session) == "2026-06-12"
    friday = dated("2026-06-12", timezone="America/New_York", session_hint="weekend", session_market="XNYS")
    assert (str(align(friday, "XNYS").session), str(align(friday, "XNYS").last)) == ("2026-06-12", "2026-06-15")


def test_a_hint_for_a_day_without_a_session_gives_way_to_the_whole_day_and_says_so():
    event = dated("2026-06-19", session_hint="pre_open", session_market="XHKG", timezone="Asia/Hong_Kong")
    found = align(event, "XNYS")
    assert found.flags[0] == "session hint not used: 2026-06-19 is not a session of XHKG"
    assert str(found.first_ts) == "2026-06-18T16:00:00.000000000"
    assert (str(found.session), str(found.last)) == ("2026-06-18", "2026-06-22")


def test_the_closing_auction_narrows_a_post_close_hint():
    calendar = session_calendar("XHKG")
    event = dated("2026-06-15", session_hint="post_close", session_market="XNYS", timezone="America/New_York")
    assert event_interval(event, calendar).first == event_interval(event, calendar, closing_auction=True).first
    local = dated("2026-06-15", session_hint="post_close")
    assert str(align(local, "XHKG", closing_auction=True).first_ts)[:16] == "2026-06-15T08:10"
    assert str(align(local, "XHKG", closing_auction=True).session) == "2026-06-16"


def test_precision_week_covers_seven_days():
    found = align(dated("2026-06-15", precision="week"), "XHKG")
    assert (str(found.session), str(found.last), found.extra_windows) == ("2026-06-15", "2026-06-22", ((0, 4),))
    hinted = align(dated("2026-06-15", precision="week", session_hint="pre_open"), "XHKG")
    assert hinted.flags == ("session hint not used: only the week is known", "event time unknown")
    at = Event("e", at=dt.datetime(2026, 6, 15, 2, tzinfo=dt.UTC), precision="week")
    assert str(align(at, "XHKG").last) == "2026-06-22"


def test_precision_session_is_read_by_the_hint_and_precision_hour_as_an_hour():
    assert (
        str(align(dated("2026-06-15", precision="session", session_hint="post_close"), "XHKG").session) == "2026-06-16"
    )
    at = dt.datetime(2026, 6, 15, 16, 20, tzinfo=ZoneInfo("Asia/Hong_Kong"))
    after = align(Event("e", at=at, precision="hour"), "XHKG")
    assert (str(after.session), after.flags) == ("2026-06-16", ("event time known to the hour only", AUCTION))
    late = align(Event("e", at=at.replace(hour=15), precision="hour"), "XHKG")
    assert late.flags == ("event time known to the hour only", "late in session")
    assert late.extra_windows == ((0, 1),)


def test_an_hour_around_the_close_has_two_sessions():
    kolkata = dt.datetime(2026, 6, 15, 13, 40, tzinfo=ZoneInfo("Asia/Kolkata"))  # 15:30-16:30 in Hong Kong
    found = align(Event("e", at=kolkata, precision="hour"), "XHKG")
    assert (str(found.session), str(found.last), found.extra_windows) == ("2026-06-15", "2026-06-16", ((0, 1),))
    assert "event time unknown" in found.flags


def recorded_events():
    with (HERE / "sessions_events.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("row", recorded_events(), ids=lambda r: f"{r['event']}-{r['mic']}")
def test_recorded_events(row):
    """`single` is one plausible session read independently; where it is not tau_lo, the reason says why."""
    event = Event(
        row["event"], at=dt.datetime.fromisoformat(row["at"]) if row["at"] else None,
        date=dt.date.fromisoformat(row["date"]), timezone=row["timezone"], precision=row["precision"],
        session_hint=row["hint"], session_market=row["market"],
    )  # fmt: skip
    found = align(event, row["mic"])
    assert (str(found.session), str(found.last)) == (row["session"], row["last"])
    assert row["session"] <= row["single"] <= row["last"]
    assert bool(row["reason"]) is (row["single"] != row["session"]) is ("event time unknown" in found.flags)


# ---------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "event, error, words",
    [
        (Event("e", at=dt.datetime(2026, 6, 12, 17, 21)), EventError, "field `at` is 2026-06-12T17:21:00"),
        (dated("2026-06-12", timezone="America/NewYork"), EventError, 'did you mean "America/New_York"'),
        (dated("2026-06-12", timezone="../etc"), EventError, "not a zone"),
        (dated("2026-06-12", session_hint="preopen"), EventError, 'did you mean "pre_open"'),
        (dated("2026-06-12", precision="minutes"), EventError, 'did you mean "minute"'),
        (dated("2026-06-12", session_hint="pre_open", session_market="XNYC"), EventError, "session_market"),
        (Event("e"), EventError, "neither `at` nor `date`"),
        (dated("2030-06-12"), OutsideCalendar, "last session 2027-12-31"),
        (dated("1980-06-12"), OutsideCalendar, "known from 1990-01-01"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_what_to_do(event, error, words):
    with pytest.raises(error, match=words):
        align(event, "XHKG")


def test_shanghai_ends_with_2026_and_says_so():
    stored = session_calendar("XSHG")  # given, so that a newer library cannot extend it
    last = align(timed("2026-12-30T16:00", "Asia/Shanghai"), "XSHG", calendar=stored)
    assert str(last.session) == "2026-12-31"
    with pytest.raises(OutsideCalendar, match=r"last session 2026-12-31.*pip install -U exchange-calendars"):
        align(timed("2026-12-31T15:00", "Asia/Shanghai"), "XSHG", calendar=stored)


def test_unknown_exchange():
    with pytest.raises(UnknownName, match=r'did you mean .*"XHKG".*Known MICs'):
        align(dated("2026-06-12"), "XHGK")
    with pytest.raises(RequestError, match="begin on the evening before"):
        align(dated("2026-06-12"), "CMES")


def test_timestamps_must_be_utc_datetimes_without_gaps():
    with pytest.raises(RequestError, match="datetime64 in UTC, not int64"):
        align_timestamps(np.array([1]), "XHKG")
    with pytest.raises(RequestError, match="row 1 has no timestamp"):
        align_timestamps(np.array(["2026-06-15", "NaT"], dtype="datetime64[ns]"), "XHKG")
    with pytest.raises(OutsideCalendar, match="2031-01-01"):
        align_timestamps(utc("2026-06-15", "2031-01-01"), "XHKG")


# ---------------------------------------------------------------------------------------------------- many at once


def test_many_pairs_equal_one_by_one_and_errors_stand_in_their_place():
    events = [
        timed("2026-06-12T17:00", "America/New_York"),
        dated("2026-06-12"),
        dated("2031-01-01"),
        dated("2026-06-13"),
    ]
    events = [e for e in events for _ in range(2)]
    mics = ["XHKG", "XNYS"] * 4
    found = align_many(events, mics, errors="return")
    for event, mic, answer in zip(events, mics, found, strict=True):
        if event.date == dt.date(2031, 1, 1):
            assert isinstance(answer, OutsideCalendar)
        else:
            assert isinstance(answer, Alignment)
            alone = align(event, mic)
            assert (answer.mic, answer.session, answer.last, answer.flags) == (
                mic, alone.session, alone.last, alone.flags,
            )  # fmt: skip
    with pytest.raises(OutsideCalendar):
        align_many(events, mics)
    with pytest.raises(RequestError, match="8 events but 1 exchanges"):
        align_many(events, ["XHKG"])
    assert align_many([], []) == []


def slow_placement(moment, schedule, zone):
    """tau0 and class of one instant, by walking the schedule: (date, open, break start, break end, close)."""
    tau0 = next(date for date, *_, close in schedule if close > moment)
    local = moment.astimezone(zone).date()
    today = [row for row in schedule if row[0] == local]
    if not today:
        return tau0, "closed"
    _, open_, break_start, break_end, close = today[0]
    if moment < open_:
        return tau0, "pre_open"
    if break_start is not None and break_start <= moment < break_end:
        return tau0, "lunch"
    return tau0, "in_session" if moment < close else "after_close"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mic", ["XHKG", "XNYS", "XTKS", "XSHG"])
def test_vectorised_equals_the_slow_twin(mic):
    import exchange_calendars

    library = exchange_calendars.get_calendar(mic, start="2024-06-03", end="2026-11-30")
    zone = ZoneInfo(str(library.tz))
    names = ["open", "break_start", "break_end", "close"]
    schedule = [
        (day.date(), *(None if t is None or t != t else t.to_pydatetime() for t in row))
        for day, *row in library.schedule[names].itertuples()
    ]
    rng = np.random.default_rng(7)
    minutes = rng.integers(0, 2 * 365 * 1440, 300)
    edges = [t for row in schedule[40:60] for t in row[1:] if t is not None]
    moments = [dt.datetime(2024, 7, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=int(m)) for m in minutes] + edges
    calendar = session_calendar(mic)
    placed = align_timestamps(np.array([m.replace(tzinfo=None) for m in moments], dtype="datetime64[ns]"), mic)
    fast = list(zip(calendar.sessions[placed.position].tolist(), placed.reaction_class.tolist(), strict=True))
    assert fast == [slow_placement(m, schedule, zone) for m in moments]


def test_order_and_duplicates_of_timestamps_do_not_matter():
    ts = utc("2026-06-15T05:00", "2024-01-02T03:00", "2026-06-15T05:00", "2026-02-16T07:00")
    whole = align_timestamps(ts, "XHKG")
    for i in range(ts.size):
        alone = align_timestamps(ts[i : i + 1], "XHKG")
        assert (alone.position[0], alone.reaction_class[0]) == (whole.position[i], whole.reaction_class[i])
    assert align_timestamps(utc(), "XHKG").position.size == 0


# ---------------------------------------------------------------------------------------------------- panels


def test_a_panels_own_dates_are_the_sessions():
    panel = panel_calendar(["2026-06-17", "2026-06-15", "2026-06-15", "2026-06-22"])
    on_day, moved = (align(dated(day), "panel", calendar=panel) for day in ("2026-06-15", "2026-06-18"))
    assert (str(on_day.session), on_day.reaction_class, on_day.flags) == ("2026-06-15", "date_only", ())
    assert (str(moved.session), moved.reaction_class, moved.extra_windows) == ("2026-06-22", "closed", ())
    assert "counted from Monday 22 June 2026" in moved.sentence


def test_hints_and_weeks_on_a_panel():
    panel = panel_calendar(np.arange("2026-06-15", "2026-07-04", dtype="datetime64[D]"))
    after = align(dated("2026-06-16", session_hint="after_close"), "panel", calendar=panel)
    assert (str(after.session), after.reaction_class) == ("2026-06-17", "after_close")
    abroad = dated("2026-06-16", session_hint="post_close", session_market="XNYS")
    unread = align(abroad, "panel", calendar=panel)
    assert str(unread.session) == "2026-06-16" and "session hint not used" in unread.flags[0]
    week = align(dated("2026-06-16", precision="week"), "panel", calendar=panel)
    assert (week.extra_windows, week.flags) == (((0, 6),), ("event time unknown",))


def test_a_panel_cannot_place_a_clock_time_or_a_day_outside_it():
    panel = panel_calendar(["2026-06-15", "2026-06-17"])
    with pytest.raises(RequestError, match='set calendar="XHKG"'):
        align(timed("2026-06-15T10:00", "Asia/Hong_Kong"), "panel", calendar=panel)
    with pytest.raises(RequestError, match='set calendar="XHKG"'):
        align_timestamps(utc("2026-06-15T10:00"), "panel", calendar=panel)
    for day in ("2026-06-14", "2026-06-18"):
        with pytest.raises(OutsideCalendar, match="from 2026-06-15 to 2026-06-17"):
            align(dated(day), "panel", calendar=panel)
    with pytest.raises(OutsideCalendar):
        align(dated("2026-06-17", session_hint="after_close"), "panel", calendar=panel)
    with pytest.raises(RequestError, match="panel_calendar"):
        align(dated("2026-06-15"), "panel")
    with pytest.raises(RequestError, match="without dates"):
        panel_calendar([])


# ---------------------------------------------------------------------------------------------------- halts


def test_a_halted_share_resumes_at_its_first_trade():
    traded = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    assert resume([0, 1, 2, 3, 4], traded).tolist() == [0, 1, 4, 4, 4]
    assert resume([5, -1, 6], traded).tolist() == [-1, -1, -1]
    assert resume([2, 5], traded, "keep").tolist() == [2, 5]


def test_halts_of_many_shares_at_once():
    rng = np.random.default_rng(3)
    traded = rng.random((4, 30)) < 0.3
    row, position = rng.integers(0, 4, 50), rng.integers(0, 30, 50)
    slow = [next((t for t in range(p, 30) if traded[r, t]), -1) for r, p in zip(row, position, strict=True)]
    assert resume(position, traded, row=row).tolist() == slow
    assert resume(position, traded[row]).tolist() == slow
    with pytest.raises(RequestError, match="row="):
        resume(position, traded)
    with pytest.raises(UnknownName, match="halt policy"):
        resume([1], traded[0], "skip")


# ---------------------------------------------------------------------------------------------------- in words


def test_sentence_of_a_clock_time():
    order = timed("2026-06-12T17:21", "America/New_York", title="US order")
    assert align(order, "XHKG").sentence == (
        "US order: announced Friday 12 June 2026 17:21 New York, which was Saturday 13 June 2026 05:21 in Hong Kong, "
        "a day without a session at XHKG; the first session to close after it is Monday 15 June 2026."
    )
    offset = Event("order", at=dt.datetime.fromisoformat("2026-06-12T17:21:00-04:00"))
    assert "17:21 UTC-04:00, when XNYS had closed at 16:00" in align(offset, "XNYS").sentence


@pytest.mark.parametrize(
    "text, words",
    [
        ("08:00", "before XHKG opened at 09:30"),
        ("10:00", "while XHKG was trading (close 16:00)"),
        ("12:30", "in the lunch break of XHKG, which ended at 13:00"),
        (
            "16:05",
            f"had closed at 16:00; the first session to close after it is Tuesday 16 June 2026. Caution: {AUCTION}.",
        ),
    ],
)
def test_sentence_says_what_the_exchange_was_doing(text, words):
    assert words in align(timed(f"2026-06-15T{text}", "Asia/Hong_Kong"), "XHKG").sentence


def test_sentence_of_a_date():
    found = align(dated("2026-06-12", timezone="America/New_York", title="US order"), "XHKG")
    assert found.sentence == (
        "US order: known to the day only, Friday 12 June 2026 12:00 to Saturday 13 June 2026 11:59 in Hong Kong; the "
        "first session of XHKG to close after its beginning is Friday 12 June 2026, after its end Monday 15 June 2026. "
        "Caution: event time unknown."
    )
    settled = align(dated("2026-06-13", title="US order"), "XHKG")
    assert "all of it belongs to the session of Monday 15 June 2026 at XHKG." in settled.sentence
