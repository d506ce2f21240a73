"""Bundled studies that several test files look at, each run once in a process. Treat the results as read-only."""

from __future__ import annotations

from functools import cache

import abnormal as ab


@cache
def bundled(name: str) -> ab.StudyResult:
    return ab.run(name)
