"""The command line: verbs, exit codes, what goes to stdout and what to stderr, and how light `--help` is."""

import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import abnormal
from abnormal import cli
from abnormal.errors import AbnormalError, AbnormalWarning, FetchFailed, NotInStore
from abnormal.verbs.group import colour_wanted, group, message_and_tip, tell

STUDY = "anthropic_export_order"
HEAVY = (
    "numpy pandas scipy statsmodels matplotlib yfinance exchange_calendars pydantic rich pyarrow openpyxl typst arch yaml"
).split()


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("NO_COLOR", raising=False)


def call(*args):
    """A verb in this process: exit code, stdout and stderr."""
    return CliRunner().invoke(group, [str(a) for a in args], catch_exceptions=False)


def process(*args, **environment):
    """The command as a process of its own."""
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | environment
    code = "from abnormal.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, env=env, timeout=120, check=False
    )


# ------------------------------------------------------------------------------------------------ light


def loaded_by(*args):
    """Modules a call of the command imports, in a process of its own."""
    code = (
        "import sys, contextlib, io\nfrom abnormal.cli import main\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n    main(sys.argv[1:])\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option):
    loaded = loaded_by(option)
    assert not loaded & {*HEAVY, "click", "abnormal.errors", "abnormal.domain"}
    assert not {m for m in loaded if m.startswith("abnormal.verbs.")}


def test_help_of_a_verb_loads_click_and_that_verb_only():
    loaded = loaded_by("run", "--help")
    assert not loaded & set(HEAVY)
    assert {m for m in loaded if m.startswith("abnormal.verbs.")} == {
        "abnormal.verbs.group", "abnormal.verbs.common", "abnormal.verbs.run"
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ help and wrong words


def every_verb():
    return [name for name in cli.VERBS if cli.offered(name)]


@pytest.mark.parametrize("verb", every_verb())
def test_every_verb_has_help_and_the_common_options(verb):
    done = call(verb, "--help")
    assert done.exit_code == 0 and done.stderr == ""
    if verb != "events":
        for option in ("--json", "--quiet", "--verbose", "--strict"):
            assert option in done.stdout
    assert f"  {verb} " in cli.help_text()


@pytest.mark.parametrize("verb", ["list", "show", "check", "near", "upcoming"])
def test_every_verb_of_events_has_help(verb):
    done = call("events", verb, "--help")
    assert done.exit_code == 0 and "--json" in done.stdout


def test_help_and_version_are_the_same_with_and_without_click(capsys):
    cli.main(["--help"])
    assert capsys.readouterr().out == call("--help").stdout
    cli.main(["--version"])
    assert capsys.readouterr().out == call("--version").stdout == f"abnormal {abnormal.__version__}\n"


def test_nothing_asked_shows_the_help_on_stderr():
    done = call()
    assert done.exit_code == 2 and done.stdout == "" and "Verbs:" in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["rnu"], "no verb 'rnu' (did you mean \"run\"?)"),
        (["run", "--modle", "mean"], "--model"),
        (["run", "anthropic_export_ordr"], 'did you mean "anthropic_export_order"'),
        (["run"], "nothing to run: give a STUDY"),
        (["run", STUDY, "--set", "model.nam=mean"], "did you mean model.name?"),
        (["run", STUDY, "--model", "markt"], 'did you mean "market"'),
        (["run", STUDY, "--events", "x.csv"], "--events takes the place of a STUDY"),
        (["run", "--events", "e.csv", "--prices", "a", "--returns", "b"], "exclude each other"),
        (["run", "--events", "nowhere.csv"], "no event file"),
        (["run", STUDY, "--window", "0"], "--window"),
        (["methods", "bmq"], 'did you mean "bmp"'),
        (["events", "show", "us-order-antropic"], 'did you mean "us-order-anthropic"'),
        (["events", "list", "--ticker", "2513.HX"], 'did you mean "2513.HK"'),
        (["events", "near", "2026-13-08"], "2026-13-08"),
        (["import", "nowhere.csv", "--as", "X"], "nowhere.csv"),
        (["audit"], "give a STUDY"),
    ],
)  # fmt: skip
def test_wrong_requests_exit_2_with_one_message(args, said):
    done = call(*args)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and said.replace('"', "") in done.stderr.replace('"', "")
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------ run


def test_run_prints_the_summary_and_nothing_else():
    done = call("run", STUDY)
    assert done.exit_code == 0 and done.stderr == ""
    assert done.stdout == repr(abnormal.run(STUDY)) + "\n"


def test_quiet_run_prints_the_verdict_only():
    done = call("run", STUDY, "--quiet")
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("2513.HK moved ") and done.stderr == ""


def test_json_of_one_study_is_the_result():
    done = call("run", STUDY, "--json")
    told = json.loads(done.stdout)
    assert next(iter(told)) == "schema_version" and done.stderr == ""
    assert told == abnormal.run(STUDY).to_dict()
    for name in ("pairs", "car", "tests", "jump", "checks", "confounders", "excluded", "robustness"):
        assert isinstance(told[name], list)
    assert isinstance(told["verdict"], dict) and isinstance(told["manifest"], dict)


def test_several_studies_in_json_and_in_text(tmp_path):
    names = ["chip_export_rules_2022", STUDY]
    told = json.loads(call("run", *names, "--json").stdout)
    assert list(told) == ["schema_version", "studies"] and [s["name"] for s in told["studies"]] == names
    done = call("run", *names, "-o", tmp_path / "out", "--no-figures")
    table = done.stdout.partition("Studies side by side\n")[2]
    assert all(name in table for name in names)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*names, "comparison.csv"}
    assert f"written: {tmp_path / 'out' / STUDY}" in done.stderr and "written" not in done.stdout
    with (tmp_path / "out" / "comparison.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["study"] for row in csv.DictReader(stream)] == names


def test_same_study_twice_has_two_folders(tmp_path):
    done = call("run", STUDY, STUDY, "-o", tmp_path, "--no-figures", "--quiet")
    assert done.exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == {STUDY, f"{STUDY}-2", "comparison.csv"} | {"store"} & set(
        os.listdir(tmp_path)
    )


def test_strict_exits_1_where_a_check_failed_and_says_which():
    done = call("run", STUDY, "--strict", "--quiet")
    assert done.exit_code == 1
    assert "checks failed: " in done.stderr and "confounders" in done.stderr


def test_options_reach_the_spec():
    done = call(
        "run", STUDY, "--json", "--model", "mean", "--estimation", "-80", "-11", "--window", "0", "1", "--window", "-2",
        "2", "--benchmark", "0700.HK", "--set", "inference.seed=7",
    )  # fmt: skip
    told = json.loads(done.stdout)["spec"]
    assert told["model"] == told["model"] | {"name": "mean", "estimation": [-80, -11]}
    assert told["windows"]["headline"] == [0, 1] and told["windows"]["also"] == [[-2, 2]]
    assert told["benchmark"]["tickers"] == "0700.HK" and told["inference"]["seed"] == 7


def test_list_names_every_bundled_study():
    told = json.loads(call("run", "--list", "--json").stdout)
    files = Path(__file__).parent.parent / "analysis" / "studies"
    assert {s["name"] for s in told["studies"]} == {f.stem for f in files.glob("*.toml")}
    text = call("run", "--list").stdout
    assert all(s["name"] in text and s["question"] in text for s in told["studies"])


@pytest.fixture
def files(tmp_path):
    """A user's own events, prices and returns: one share that rises by 30% on its event."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(3)
    days = pd.bdate_range("2025-01-01", periods=260)
    market = rng.normal(0, 0.01, 260)
    share = market + rng.normal(0, 0.01, 260)
    share[200] += 0.3
    returns = pd.DataFrame({"date": days.date, "AAA": share, "MKT": market})
    prices = returns.assign(AAA=100 * np.cumprod(1 + share), MKT=100 * np.cumprod(1 + market))
    returns.to_csv(tmp_path / "returns.csv", index=False)
    prices.to_csv(tmp_path / "prices.csv", index=False)
    (tmp_path / "events.csv").write_text(f"event_id,ticker,date\nboom,AAA,{days[200].date()}\n")
    return tmp_path


@pytest.mark.parametrize("kind", ["prices", "returns"])
def test_own_files_without_a_study_file(files, kind):
    done = call(
        "run", "--events", files / "events.csv", f"--{kind}", files / f"{kind}.csv", "--benchmark", "MKT", "--model", "market",
        "--estimation", "-150", "-11", "--window", "0", "0", "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["verdict"]["label"] == "effect detected"
    assert told["car"][0]["car"] == pytest.approx(0.3, abs=0.06)
    assert told["pairs"][0]["n_est"] == 140


def test_failed_study_among_several_keeps_the_others(files):
    toml = '[events]\nfile = "events.csv"\n[prices]\nsource = "prices.csv"\n[benchmark]\ntickers = ["NONE"]\n'
    (files / "study.toml").write_text("schema = 1\n" + toml)
    done = call("run", files / "study.toml", STUDY, "--json")
    assert [s["name"] for s in json.loads(done.stdout)["studies"]] == [STUDY]
    assert done.exit_code == 2 and "NONE" in done.stderr


def test_study_file_error_names_file_and_line(files):
    (files / "bad.toml").write_text('schema = 1\n[events]\nids = ["us-order-anthropic"]\n[model]\nnam = "mean"\n')
    done = call("run", files / "bad.toml")
    assert done.exit_code == 2 and "bad.toml:5:1" in done.stderr


def test_ticker_without_prices_exits_3_with_the_line_to_type():
    done = call("run", STUDY, "--benchmark", "NVDA")
    assert done.exit_code == 3 and done.stdout == ""
    assert done.stderr == "error: no prices for NVDA in the store\ntip: abnormal fetch NVDA\n"


def test_place_that_cannot_be_written_exits_2(tmp_path):
    (tmp_path / "file").write_text("")
    done = call("run", STUDY, "-o", tmp_path / "file", "--no-figures")
    assert done.exit_code == 2 and "cannot write" in done.stderr


# ------------------------------------------------------------------------------------------------ errors and warnings


@click.command()
@click.option("--quiet", is_flag=True)
@click.argument("what")
def toy(what, quiet):
    """A verb that misbehaves as told."""
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "bug":
        raise ZeroDivisionError("some detail")
    if what == "odd":
        raise AbnormalError("nobody said what this is")
    if what == "rate":
        raise FetchFailed("the vendor said later")
    for _ in range(2):
        warnings.warn("the delimiter is ;\nand that is all", AbnormalWarning, stacklevel=1)
        warnings.warn("numpy noise", RuntimeWarning, stacklevel=1)
    click.echo("done")


@pytest.fixture
def with_toy(monkeypatch):
    monkeypatch.setitem(cli.VERBS, "toy", cli.Verb("A toy.", "toy"))
    monkeypatch.setattr("abnormal.verbs.group.import_module", lambda _: type("Module", (), {"command": toy}))


@pytest.mark.parametrize(("what", "code"), [("interrupt", 130), ("bug", 4), ("odd", 4), ("rate", 3)])
def test_exit_codes(with_toy, what, code):
    done = call("toy", what)
    assert done.exit_code == code and done.stdout == ""
    assert ("Traceback" in done.stderr) == (code == 4)
    assert ("this is our bug" in done.stderr) == (code == 4)


def test_own_warnings_are_one_line_once_and_others_silent(with_toy):
    done = call("toy", "warn")
    assert done.stdout == "done\n" and done.stderr == "warning: the delimiter is ; and that is all\n"
    assert call("toy", "warn", "--quiet").stderr == ""


def test_message_and_tip():
    assert message_and_tip(str(NotInStore("0005.HK"))) == (
        "no prices for 0005.HK in the store",
        "abnormal fetch 0005.HK",
    )
    assert message_and_tip("just this") == ("just this", "")


def test_telling_an_error_gives_its_code(capsys):
    assert tell(NotInStore("X")) == 3 and tell(ValueError("x")) == 4
    assert "ValueError: this is our bug" in capsys.readouterr().err


class Terminal:
    def isatty(self):
        return True


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert colour_wanted(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not colour_wanted(Terminal())
    assert not colour_wanted(sys.__stdout__ if not sys.__stdout__.isatty() else open(os.devnull))  # noqa: SIM115


def test_process_keeps_stdout_for_results_and_stderr_for_the_rest():
    done = process("run", STUDY, "--json", "--verbose")
    assert done.returncode == 0
    assert json.loads(done.stdout)["name"] == STUDY
    assert "running anthropic_export_order" in done.stderr and "test: " in done.stderr
    assert "\x1b" not in done.stdout + done.stderr and "\r" not in done.stderr


def test_process_survives_a_narrow_encoding_and_a_reader_that_leaves():
    done = process("events", "show", "us-order-anthropic", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0 and done.stderr == "" and "us-order-anthropic" in done.stdout
    code = "from abnormal.cli import main; main()"
    reader = subprocess.Popen(
        [sys.executable, "-c", code, "events", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert reader.stdout is not None and reader.stderr is not None
    reader.stdout.read(1)
    reader.stdout.close()
    assert reader.stderr.read() == b"" and reader.wait(timeout=60) == 0
    reader.stderr.close()


# ------------------------------------------------------------------------------------------------ events


def test_events_list_filters_and_json():
    told = json.loads(call("events", "list", "--ticker", "0100.HK", "--after", "2026-07-01", "--json").stdout)
    events = told["events"]
    assert events and all("0100.HK" in [t["ticker"] for t in e["tickers"]] and e["day"] >= "2026-07-01" for e in events)
    kind, status = events[0]["kind"], events[0]["status"]
    some = json.loads(call("events", "list", "--kind", kind, "--status", status, "--json").stdout)["events"]
    assert events[0]["id"] in [e["id"] for e in some] and {(e["kind"], e["status"]) for e in some} == {(kind, status)}
    quiet = call("events", "list", "--ticker", "0100.HK", "--after", "2026-07-01", "--quiet").stdout.split()
    assert quiet == [e["id"] for e in events]


def test_events_list_cuts_nothing_when_piped():
    text = call("events", "list").stdout
    assert "us-order-anthropic" in text and "…" not in text


def test_events_show_says_when_each_ticker_could_react():
    told = json.loads(call("events", "show", "us-order-anthropic", "--json").stdout)["events"][0]
    first = next(s for s in told["sessions"] if s["ticker"] == "2513.HK")
    assert (first["session"], first["reaction_class"], first["exchange"]) == ("2026-06-15", "closed", "XHKG")
    assert told["at"] == "2026-06-12T17:21:00-04:00" and told["sources"]
    text = call("events", "show", "us-order-anthropic").stdout
    assert "2513.HK beneficiary, expected up; first session 2026-06-15 (closed)" in text


def test_events_near_counts_days():
    told = json.loads(call("events", "near", "2022-10-07", "--ticker", "AMD", "--days", "1", "--json").stdout)["events"]
    distances = {e["id"]: e["distance_days"] for e in told}
    assert distances["bis-chip-rule-2022"] == 0 and distances["amd-q3-warning-2022"] == -1
    assert "amd-q3-warning-2022" in call("events", "near", "2022-10-07", "--ticker", "AMD").stdout
    assert "nothing in the catalogue" in call("events", "near", "1999-01-01").stderr


def test_events_upcoming_from_a_day():
    told = json.loads(call("events", "upcoming", "--today", "2026-11-22", "--json").stdout)["events"]
    assert told and told == sorted(told, key=lambda e: e["day"]) and told[0]["day"] >= "2026-11-22"
    assert json.loads(call("events", "upcoming", "--today", "2100-01-01", "--json").stdout)["events"] == []


def test_events_check_names_line_and_field(tmp_path):
    assert call("events", "check").exit_code == 0
    bad = tmp_path / "bad.csv"
    bad.write_text("event_id,ticker,date,timezone\na,2513.HK,2026-13-08,\nb,2513.HK,2026-06-15,Mars/Olympus\n")
    done = call("events", "check", bad)
    assert done.exit_code == 2 and f"{bad}:2" in done.stdout and f"{bad}:3" in done.stdout
    told = json.loads(call("events", "check", bad, "--json").stdout)["problems"]
    assert {(p["line"], p["field"], p["severity"]) for p in told} >= {(2, "date", "error"), (3, "timezone", "error")}


def test_doubtful_record_is_a_warning_until_strict(tmp_path):
    file = tmp_path / "doubt.csv"
    file.write_text("event_id,ticker,date,status\na,2513.HK,2026-06-15,quoted\n")
    assert call("events", "check", file).exit_code == 0
    assert call("events", "check", file, "--strict").exit_code == 1


# ------------------------------------------------------------------------------------------------ methods


def test_methods_json_lists_every_registered_method():
    from abnormal.registry import CHECKS, MODELS, TESTS

    told = json.loads(call("methods", "--json").stdout)["methods"]
    assert len(told) == len(MODELS) + len(TESTS) + len(CHECKS)
    keys = "name kind title formula paper assumptions robust_to variants others check".split()
    assert all(list(m)[: len(keys)] == keys for m in told)
    assert json.loads(call("methods", "--kind", "test", "--json").stdout)["methods"] == [
        m for m in told if m["kind"] == "test"
    ]


def test_one_method_tells_formula_paper_and_variants():
    text = call("methods", "bmp").stdout
    assert text.startswith("bmp (test)\n") and "doi:10.1016/0304-405X(91)90032-F" in text
    assert "formula" in text and "variants    full" in text
    assert len(json.loads(call("methods", "bmp", "--json").stdout)["methods"]) == 1


# ------------------------------------------------------------------------------------------------ init, doctor, audit


def test_init_makes_a_study_that_runs_as_it_is(tmp_path):
    folder = tmp_path / "mine"
    done = call("init", folder)
    assert done.exit_code == 0 and f"abnormal run {folder}" in done.stdout
    assert call("events", "check", folder / "events.csv", "--strict").exit_code == 0
    ran = call("run", folder, "--json")
    assert ran.exit_code == 0 and json.loads(ran.stdout)["verdict"]["label"] != "cannot say"


def test_init_overwrites_only_when_told(tmp_path):
    folder = tmp_path / "mine"
    told = json.loads(call("init", folder, "--json").stdout)
    assert [Path(f).name for f in told["files"]] == ["study.toml", "events.csv"]
    (folder / "events.csv").write_text("mine")
    refused = call("init", folder)
    assert refused.exit_code == 2 and "--force" in refused.stderr and (folder / "events.csv").read_text() == "mine"
    assert call("init", folder, "--force").exit_code == 0 and (folder / "events.csv").read_text() != "mine"


def test_doctor_finds_this_installation_in_order(tmp_path):
    told = json.loads(call("doctor", "--json").stdout)["checks"]
    by_name = {c["check"]: c for c in told}
    assert {"python", "packages", "bundled", "store", "calendars", "fonts"} <= set(by_name)
    assert by_name["store"]["passed"] is True and str(tmp_path / "store") in by_name["store"]["sentence"]
    assert not (tmp_path / "store").exists()
    assert by_name["packages"]["passed"] is True


def test_doctor_warns_of_the_calendar_horizon():
    done = call("doctor", "--today", "2099-01-01", "--strict", "--quiet")
    assert done.exit_code == 1 and "calendars" in done.stdout and "upgrade" in done.stdout


def test_doctor_names_a_store_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ABNORMAL_STORE", str(tmp_path / "file"))
    told = json.loads(call("doctor", "--json").stdout)["checks"]
    assert [c["passed"] for c in told if c["check"] == "store"] == [False]


def test_doctor_says_which_bars_are_about_to_be_lost():
    import numpy as np

    from abnormal.domain import Bars
    from abnormal.inputs.store import PriceStore

    times = np.arange("2026-09-01T01:30", "2026-09-01T02:30", 5, dtype="datetime64[m]").astype("datetime64[ns]")
    bars = Bars("2513.HK", times, {"close": np.linspace(100, 101, times.size)}, "5m")
    PriceStore().write(bars, source="a file", covered=("2026-09-01", "2026-09-01"))

    def stale(today):
        told = json.loads(call("doctor", "--today", today, "--json").stdout)["checks"]
        return [c["sentence"] for c in told if c["check"] == "stale"]

    assert stale("2026-09-10") == []
    assert "lose days within" in stale("2026-10-25")[0] and "abnormal fetch 2513.HK --freq 5m" in stale("2026-10-25")[0]
    assert "have lost days" in stale("2026-12-01")[0]


def test_audit_lists_findings_and_rules():
    told = json.loads(call("audit", STUDY, "--json").stdout)["findings"]
    assert told and list(told[0])[:4] == ["ticker", "date", "rule", "message"]
    assert any(f["date"] == "2026-06-30" and f["ticker"] == "2513.HK" for f in told)
    text = call("audit", STUDY).stdout
    assert f"{len(told)} findings" in text
    assert "duplicate_date" in call("audit", "--rules").stdout


# ------------------------------------------------------------------------------------------------ import and fetch


def test_imported_bars_are_in_the_store(tmp_path):
    from abnormal.inputs.store import PriceStore

    (tmp_path / "zhipu.csv").write_text("date,close\n2026-08-03,2000\n2026-08-04,2100\n")
    done = call("import", tmp_path / "zhipu.csv", "--as", "9999.HK", "--currency", "HKD")
    assert done.exit_code == 0 and "9999.HK 1d: 2 bars added" in done.stdout
    bars = PriceStore().bars("9999.HK")
    assert bars.get("close").tolist() == [2000.0, 2100.0] and PriceStore().meta("9999.HK")["currency"] == "HKD"
    told = json.loads(call("import", tmp_path / "zhipu.csv", "--as", "9999.HK", "--json").stdout)["imported"][0]
    assert (told["added"], told["same"], told["total"]) == (0, 2, 2)


def test_import_needs_a_ticker_and_takes_one_of_many(tmp_path):
    (tmp_path / "one.csv").write_text("date,close\n2026-08-03,2000\n")
    assert "--as TICKER" in call("import", tmp_path / "one.csv").stderr
    (tmp_path / "many.csv").write_text("date,ticker,close\n2026-08-03,AAA,1\n2026-08-03,BBB,2\n")
    assert call("import", tmp_path / "many.csv", "--as", "AAA", "--quiet").exit_code == 0
    refused = call("import", tmp_path / "many.csv", "--as", "CCC")
    assert refused.exit_code == 2 and "AAA, BBB" in refused.stderr
    told = json.loads(call("import", tmp_path / "many.csv", "--json").stdout)["imported"]
    assert [r["ticker"] for r in told] == ["AAA", "BBB"]


class Vendor:
    """Stands for Yahoo: bars of every weekday at 100, nothing of BAD."""

    asked: list[tuple] = []  # noqa: RUF012

    def fetch(self, ticker, start, end, freq="1d"):
        import numpy as np

        from abnormal.domain import Bars

        Vendor.asked.append((ticker, str(start), str(end), freq))
        if ticker == "BAD":
            raise FetchFailed("BAD: HTTP 502 (5 attempts); try again later")
        days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
        days = days[np.is_busday(days)]
        return Bars(ticker, days, {"close": np.full(days.size, 100.0)}, "1d", {"source": "Vendor"})


@pytest.fixture
def vendor(monkeypatch):
    monkeypatch.setattr("abnormal.inputs.providers.yahoo.YahooProvider", Vendor)
    Vendor.asked = []
    return Vendor


def test_fetch_fills_the_store_and_reports(vendor):
    from abnormal.inputs.store import PriceStore

    done = call("fetch", "AAPL", "--start", "2026-03-02", "--end", "2026-03-06", "--json")
    told = json.loads(done.stdout)["fetched"][0]
    assert done.exit_code == 0 and (told["ticker"], told["status"], told["added"]) == ("AAPL", "ok", 5)
    assert len(PriceStore().bars("AAPL", start="2026-03-02", end="2026-03-06")) == 5


def test_fetch_of_one_bad_ticker_keeps_the_others_and_exits_3(vendor):
    done = call("fetch", "AAPL", "BAD", "--start", "2026-03-02", "--end", "2026-03-06")
    assert done.exit_code == 3 and "AAPL: 5 new" in done.stdout and "BAD: failed: BAD: HTTP 502" in done.stdout


def test_fetch_of_a_study_asks_for_what_it_reads(vendor):
    call("fetch", STUDY, "--quiet")
    tickers = {t for t, *_ in vendor.asked}
    assert tickers == {"2513.HK", "0700.HK", "9988.HK", "9888.HK", "0100.HK"}
    assert min(start for _, start, *_ in vendor.asked) < "2026-02-01"


def test_fetch_needs_an_order_of_days(vendor):
    done = call("fetch", "AAPL", "--start", "2026-03-06", "--end", "2026-03-02")
    assert done.exit_code == 2 and "after end" in done.stderr


def test_run_with_fetch_refuses_a_study_of_files(vendor, files):
    done = call("run", "--events", files / "events.csv", "--prices", files / "prices.csv", "--fetch")
    assert done.exit_code == 2 and "leave --fetch out" in done.stderr and vendor.asked == []


# ------------------------------------------------------------------------------------------------ regress


def test_regress_needs_a_formula_and_strict_hears_the_status():
    assert "--formula" in call("regress", "lockup_expirations_2026").stderr
    done = call("regress", "lockup_expirations_2026", "--formula", "car ~ sign", "--strict")
    assert done.exit_code == 1 and "not_applicable" in done.stdout
    told = json.loads(call("regress", "lockup_expirations_2026", "--formula", "car ~ sign", "--json").stdout)
    assert told["regressions"][0]["status"] == "not_applicable"


# ------------------------------------------------------------------------------------------------ specs, power, draft


def test_specs_prints_the_curve_and_its_json():
    done = call("specs", "chip_export_rules_2022", "--set", 'specs.models=["mean"]', "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and next(iter(told)) == "schema_version"
    assert {row["model"] for row in told["specs"]} == {"market", "mean"}


def test_power_lists_test_effect_and_rate():
    args = ("power", STUDY, "--draws", "20", "--effect", "0", "--effect", "0.5")
    told = json.loads(call(*args, "--json").stdout)
    assert {row["effect"] for row in told["power"]} == {0.0, 0.5} and told["draws"] == 20
    assert all(0 <= row["rate"] <= 1 and row["test"] for row in told["power"])
    text = call(*args)
    assert text.exit_code == 0 and "t_car" in text.stdout


def test_draft_proposes_entries_and_overwrites_nothing(tmp_path):
    news = tmp_path / "news.txt"
    news.write_text("The White House issued an export control order against Anthropic on June 12, 2026.\n")
    told = json.loads(call("events", "draft", news, "--json").stdout)["events"]
    assert [(e["kind"], e["day"], e["status"]) for e in told] == [("export_control", "2026-06-12", "unverified")]
    target = tmp_path / "drafts.yaml"
    done = call("events", "draft", news, "-o", target)
    assert done.exit_code == 0 and done.stdout == "" and f"written: {target}" in done.stderr
    assert target.read_text().startswith("# Drafted") and call("events", "draft", news, "-o", target).exit_code == 2
    nowhere = call("events", "draft", news, "-o", tmp_path / "no" / "drafts.yaml")
    assert (
        nowhere.exit_code == 2 and "No such file or directory" in nowhere.stderr and "Traceback" not in nowhere.stderr
    )
