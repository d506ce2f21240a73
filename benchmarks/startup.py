"""How light the start is: CPU of `abnormal --help` against bare Python, and which heavy modules each call loads.

Run with `python benchmarks/startup.py`. Figures are medians over repeated, interleaved calls; the machine is named in the
output because such figures mean nothing without it. The bound is 5 times bare Python for `--help`.
"""

from __future__ import annotations

import platform
import resource
import statistics
import subprocess
import sys

REPEATS = 25
HEAVY = (
    "numpy pandas scipy scipy.stats statsmodels matplotlib yfinance exchange_calendars pydantic rich click pyarrow openpyxl "
    "typst yaml"
).split()
CALLS = {
    "python -c pass": None,
    "import abnormal": [],
    "abnormal --help": ["--help"],
    "abnormal --version": ["--version"],
    "abnormal run --help": ["run", "--help"],
    "abnormal events --help": ["events", "--help"],
}


def command(args: list[str] | None) -> list[str]:
    """The call as a process."""
    if args is None:
        return [sys.executable, "-c", "pass"]
    if not args:
        return [sys.executable, "-c", "import abnormal"]
    return [sys.executable, "-c", "from abnormal.cli import main; main()", *args]


def cpu_ms(args: list[str] | None) -> float:
    """CPU of one call, user and system, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(args), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def heavy_modules(args: list[str] | None) -> list[str]:
    """Which of the heavy modules the call leaves loaded."""
    body = "import abnormal" if args == [] else "from abnormal.cli import main; main()"
    code = (
        f"import sys, contextlib, io\nsys.argv[1:] = {args or []!r}\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n    {body}\n"
        "print(' '.join(sys.modules))"
    )
    if args is None:
        return []
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return [name for name in HEAVY if name in told]


def main() -> int:
    """Print the table; exit 1 where `--help` is above the bound."""
    times: dict[str, list[float]] = {name: [] for name in CALLS}
    for _ in range(REPEATS):
        for name, args in CALLS.items():
            times[name].append(cpu_ms(args))
    bare = statistics.median(times["python -c pass"])
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, median of {REPEATS} calls")
    print(f"{'call':<24}{'CPU ms':>8}{'x bare':>8}  heavy modules")
    for name, args in CALLS.items():
        median = statistics.median(times[name])
        print(f"{name:<24}{median:>8.1f}{median / bare:>8.2f}  {' '.join(heavy_modules(args)) or '-'}")
    return int(statistics.median(times["abnormal --help"]) > 5 * bare)


if __name__ == "__main__":
    sys.exit(main())
