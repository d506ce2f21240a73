"""Makes `import twin` work from every test folder and hands out the public data sets."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from twin import public


@pytest.fixture(scope="session")
def golden():
    """The public check file: treat it as read-only."""
    return public.golden()


@pytest.fixture
def clustered():
    """Eight firms on one date: ret, mkt, smb, hml, rf, est, ev, event_row."""
    return public.clustered()


@pytest.fixture
def dispersed():
    """Twenty firms on twenty dates: ret, mkt, pos, est and ev by firm."""
    return public.dispersed()


@pytest.fixture
def intraday():
    """Thirty sessions of 66 bars: r, overnight, jump_day, jump_bar."""
    return public.intraday()
