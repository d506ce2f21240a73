"""The grid of intraday bars and the bar that holds an event."""

import numpy as np
import pytest

from abnormal.errors import OutsideCalendar, RequestError
from abnormal.inputs.sessions import bar_grid, event_bar, panel_calendar, session_calendar


def clock(times, zone_hours):
    """Local HH:MM of UTC times in a zone a whole number of hours ahead."""
    return [str(t)[11:16] for t in times + np.timedelta64(zone_hours, "h")]


def utc(*texts):
    return np.array(texts, dtype="datetime64[ns]")


def test_a_hong_kong_day_in_hours_never_crosses_lunch():
    grid = bar_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-15", 60)
    assert clock(grid.starts, 8) == ["09:30", "10:30", "11:30", "13:00", "14:00", "15:00"]
    assert clock(grid.ends, 8) == ["10:30", "11:30", "12:00", "14:00", "15:00", "16:00"]
    assert grid.slot.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("mic, minutes, bars", [("XHKG", 5, 66), ("XHKG", 1, 330), ("XNYS", 5, 78), ("XSHG", 5, 48)])
def test_bars_of_a_full_day(mic, minutes, bars):
    grid = bar_grid(session_calendar(mic), "2026-06-15", "2026-06-16", minutes)
    assert grid.starts.size == 2 * bars and np.unique(grid.slot).size == bars
    assert np.all(grid.ends - grid.starts == np.timedelta64(minutes, "m"))
    assert np.all(grid.starts[1:] >= grid.ends[:-1])
    assert grid.session.tolist() == np.repeat(np.unique(grid.session), bars).tolist()


def test_half_days_and_late_opens_keep_the_slots_of_other_days():
    calendar = session_calendar("XHKG")
    half = bar_grid(calendar, "2026-02-13", "2026-02-20", 5)
    counts = np.unique(half.session, return_counts=True)[1]
    assert counts.tolist() == [66, 30, 66]
    assert half.slot[half.session == half.session[70]].tolist() == list(range(30))
    late = bar_grid(calendar, "2020-08-18", "2020-08-19", 30)
    assert late.slot[late.session == late.session[-1]].tolist() == [6, 7, 8, 9, 10]
    assert clock(late.starts[-5:], 8)[0] == "13:30"


def test_the_closing_auction_is_a_bar_of_its_own():
    calendar = session_calendar("XHKG")
    grid = bar_grid(calendar, "2026-06-15", "2026-06-15", 5, closing_auction=True)
    assert clock(grid.starts[-1:], 8) + clock(grid.ends[-1:], 8) == ["16:00", "16:10"]
    assert grid.starts.size == 67
    plain = bar_grid(session_calendar("XNYS"), "2026-06-15", "2026-06-15", 5, closing_auction=True)
    assert plain.starts.size == 78


def test_slots_follow_the_local_clock_through_the_change_to_summer_time():
    grid = bar_grid(session_calendar("XNYS"), "2026-03-06", "2026-03-09", 30)
    assert grid.slot.tolist() == list(range(13)) * 2
    assert clock(grid.starts[[0, 13]], 0) == ["14:30", "13:30"]


def test_a_last_bar_is_cut_short():
    grid = bar_grid(session_calendar("XNYS"), "2026-06-15", "2026-06-15", 60)
    assert clock(grid.starts[-1:], -4) + clock(grid.ends[-1:], -4) == ["15:30", "16:00"]


def test_the_bar_of_an_event_is_the_first_to_end_after_it():
    grid = bar_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-16", 60)
    times = {
        "2026-06-14T20:00": 0,  # the night before
        "2026-06-15T01:30": 0,  # the open
        "2026-06-15T02:29:59": 0,
        "2026-06-15T02:30": 1,  # the end of a bar is not in it
        "2026-06-15T04:00": 3,  # lunch
        "2026-06-15T04:59": 3,
        "2026-06-15T07:59:59": 5,
        "2026-06-15T08:00": 6,  # the close: the next day
    }
    assert event_bar(utc(*times), grid.ends).tolist() == list(times.values())
    slow = [next(i for i, end in enumerate(grid.ends) if end > t) for t in utc(*times)]
    assert slow == list(times.values())
    with pytest.raises(OutsideCalendar, match="after the last bar"):
        event_bar(utc("2026-06-16T08:00"), grid.ends)


@pytest.mark.parametrize("minutes", [0, -5, 2.5])
def test_bars_need_whole_minutes(minutes):
    with pytest.raises(RequestError, match="whole number"):
        bar_grid(session_calendar("XHKG"), "2026-06-15", "2026-06-15", minutes)


def test_a_panel_has_no_bars():
    with pytest.raises(RequestError, match="clock time"):
        bar_grid(panel_calendar(["2026-06-15"]), "2026-06-15", "2026-06-15", 5)
