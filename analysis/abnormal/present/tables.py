"""Tables: a value first (`Table`), then text, HTML, LaTeX, Markdown, Typst, CSV or one workbook.

A `Table` holds raw values; each column says what its values are, and every renderer shows them alike. `result_table` cuts
one out of a result, long (a frame as it is) or in publication layout (windows side by side, standard errors in
parentheses or intervals in brackets, no stars unless asked for).
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import RequestError, UnknownName
from ..result import FRAMES, StudyResult, plain
from . import console

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

__all__ = [
    "Column", "Table", "comparison_table", "format_table", "frame_table", "latex_table", "result_table", "rich_table",
    "write_workbook",
]  # fmt: skip

Kind = Literal["text", "percent", "p", "number", "count", "date", "share", "money", "flag"]
Form = Literal["text", "markdown", "html", "latex", "typst", "csv"]
Layout = Literal["auto", "long", "se", "interval"]

_SHOW: Mapping[Kind, Callable[..., str]] = {
    "text": console.said,
    "percent": console.percent,
    "p": console.p_value,
    "number": console.number,
    "count": console.count,
    "date": console.day,
    "share": lambda value, digits=1: console.percent(value, digits, sign=False),
    "money": console.money,
    "flag": lambda value: "" if value is None or value != value else ("yes" if value else "no"),
}
_WITH_DIGITS: tuple[Kind, ...] = ("percent", "number", "share")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of its values, the word above it, what its values are and how many decimals they show."""

    key: str
    head: str = ""
    kind: Kind = "text"
    digits: int | None = None

    @property
    def title(self) -> str:
        return self.head or self.key

    @property
    def align(self) -> console.Align:
        return "left" if self.kind in ("text", "date", "flag") else "right"

    def show(self, value: Any) -> str:
        """The value as it is printed; a text in a column of numbers is printed as it stands."""
        if isinstance(value, str):
            return value
        if self.digits is not None and self.kind in _WITH_DIGITS:
            return _SHOW[self.kind](value, self.digits)
        return _SHOW[self.kind](value)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a value: title, columns, rows of raw values, and notes that state the conventions.

    Examples
    --------
    >>> table = Table("Two days", (Column("day"), Column("ar", "AR", "percent")), (("Mon", 0.012), ("Tue", -0.003)))
    >>> print(format_table(table))
    Two days
    day     AR
    Mon  +1.2%
    Tue  -0.3%
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} values in a table of {len(self.columns)} columns: {row}")

    def cells(self) -> list[list[str]]:
        """The rows as they are printed, without the header."""
        return [[c.show(v) for c, v in zip(self.columns, row)] for row in self.rows]

    @property
    def heads(self) -> list[str]:
        return [c.title for c in self.columns]

    def first(self, n: int, word: str = "row") -> Table:
        """The first rows only, with a note of how many more there are."""
        left = len(self.rows) - n
        if left <= 0:
            return self
        return replace(self, rows=self.rows[:n], notes=(f"and {console.plural(left, f'more {word}')}", *self.notes))


# ------------------------------------------------------------------------------------------------ one table, many forms


def format_table(table: Table, form: Form = "text", **options: Any) -> str:
    """The table in one of its written forms.

    Parameters
    ----------
    table : Table
    form : {"text", "markdown", "html", "latex", "typst", "csv"}
    options
        text: `width`, columns of the terminal. latex: `label`, `caption` (default the title), `position`.

    Raises
    ------
    UnknownName
        No such form.
    """
    try:
        write = _FORMS[form]
    except KeyError:
        raise UnknownName("form of a table", form, get_args(Form)) from None
    try:
        return write(table, **options)
    except TypeError as error:
        raise RequestError(f"format_table(form={form!r}): {error}") from None


def _text(table: Table, width: int = console.WIDTH) -> str:
    lines = [table.title] if table.title else []
    rows = [table.heads, *table.cells()]
    lines += console.columns(rows, [c.align for c in table.columns], widths=console.fitted(rows, width))
    lines += [line for note in table.notes for line in console.wrap(note, width)]
    return "\n".join(lines)


def _markdown(table: Table) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(c.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

    rule = "|" + "|".join("---:" if c.align == "right" else "---" for c in table.columns) + "|"
    parts = [f"**{table.title}**\n"] if table.title else []
    parts += [line(table.heads), rule, *map(line, table.cells())]
    parts += [f"\n{note}" for note in table.notes]
    return "\n".join(parts)


def _html(table: Table) -> str:
    def row(tag: str, cells: Iterable[str]) -> str:
        style = [f' style="text-align:{c.align}"' for c in table.columns]
        return "<tr>" + "".join(f"<{tag}{s}>{html.escape(v)}</{tag}>" for s, v in zip(style, cells)) + "</tr>"

    caption = f"<caption>{html.escape(table.title)}</caption>" if table.title else ""
    head = f"<thead>{row('th', table.heads)}</thead>"
    body = "<tbody>" + "".join(row("td", cells) for cells in table.cells()) + "</tbody>"
    notes = "".join(f"<p><small>{html.escape(n)}</small></p>" for n in table.notes)
    return f'<table class="abnormal">{caption}{head}{body}</table>{notes}'


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text).replace("\n", " ")


def _tex_cell(text: str) -> str:
    """Escaped, with a real minus before digits and upright stars."""
    escaped = _tex(text)
    for at in ("-", "(-", "[-"):
        if escaped.startswith(at) and escaped[len(at) : len(at) + 1].isdigit():
            escaped = f"{at[:-1]}$-${escaped[len(at) :]}"
    stars = len(escaped) - len(escaped.rstrip("*"))
    escaped = escaped.replace(", -", ", $-$")
    shown = f"{escaped[: len(escaped) - stars]}$^{{{'*' * stars}}}$" if stars else escaped
    return f"{{{shown}}}" if shown.startswith("[") else shown  # a bracket after \\ would be read as its option


def _latex(table: Table, label: str = "", caption: str | None = None, position: str = "htbp") -> str:
    spec = "".join("r" if c.align == "right" else "l" for c in table.columns)
    title = table.title if caption is None else caption
    lines = [rf"\begin{{table}}[{position}]", r"  \centering"]
    lines += [rf"  \caption{{{_tex(title)}}}"] if title else []
    lines += [rf"  \label{{{label}}}"] if label else []
    lines += [rf"  \begin{{tabular}}{{{spec}}}", r"    \toprule"]
    lines += [f"    {' & '.join(_tex(h) for h in table.heads)} \\\\", r"    \midrule"]
    lines += [f"    {' & '.join(_tex_cell(v) for v in row)} \\\\" for row in table.cells()]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if table.notes:
        lines += [r"  \par\smallskip", rf"  {{\footnotesize {' '.join(_tex(n) for n in table.notes)}\par}}"]
    return "\n".join([*lines, r"\end{table}"])


def _typst(table: Table) -> str:
    """Cells are string literals, so that nothing in them is read as markup."""

    def text(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        return f'"{escaped}"'

    aligns = ", ".join(c.align for c in table.columns)
    heads = ", ".join(f"strong({text(h)})" for h in table.heads)
    rows = [f"    {', '.join(text(v) for v in row)}," for row in table.cells()]
    body = [
        "#figure(", "  kind: table,", f"  caption: {text(table.title)},", "  table(",
        f"    columns: {len(table.columns)},", f"    align: ({aligns},),", "    stroke: none,",
        "    table.hline(),", f"    table.header({heads}),", "    table.hline(stroke: 0.5pt),", *rows,
        "    table.hline(),", "  ),", ")",
    ]  # fmt: skip
    return "\n".join([*body, *(f"#text(size: 0.85em, {text(n)})" for n in table.notes)])


def _csv(table: Table) -> str:
    """Keys as header and values in full precision; dates ISO, what is missing empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c.key for c in table.columns])
    writer.writerows([[csv_value(v) for v in row] for row in table.rows])
    return out.getvalue()


def csv_value(value: Any) -> str:
    """A value as JSON would write it, without quotes: full precision, ISO dates, true/false, empty where missing."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_FORMS: Mapping[str, Callable[..., str]] = {
    "text": _text, "markdown": _markdown, "html": _html, "latex": _latex, "typst": _typst, "csv": _csv,
}  # fmt: skip


def rich_table(table: Table) -> RichTable:
    """The table for a terminal, by rich."""
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    title = Text(table.title) if table.title else None
    out = Rich(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, show_edge=False)
    for c in table.columns:
        out.add_column(Text(c.title), justify=c.align, overflow="fold", no_wrap=c.align == "right")
    for row in table.cells():
        out.add_row(*(Text(v) for v in row))
    return out


# ------------------------------------------------------------------------------------------------ out of a result

_PERCENT = (
    "ret expected ar car ci_low ci_high caar caar_weighted aar bhar bhar_model alpha overnight rise retreat total "
    "peak_gain estimate cum_ar cum_low cum_high cum_aar but_for"
).split()
_SHARES = "se sigma mde give_back".split()  # percentages without a sign
_COUNTS = (
    "n n_est n_obs offset window_start window_end contam_est distance placebo_n sq_m rank_n selection_n sign direction"
).split()
_NUMBERS = "t df r2 statistic beta drift n_eff rbar_w robust_z prev_close open high low close".split()
_DATES = "session est_first est_last placebo_first placebo_last".split()
_HEADS = {
    "event_id": "event", "car": "CAR", "caar": "CAAR", "aar": "AAR", "ar": "AR", "bhar": "BHAR", "se": "s.e.",
    "r2": "R2", "sq_p": "SQ p", "p": "p", "what": "specification",
}  # fmt: skip


def column_of(name: str) -> Column:
    """How the values of a frame's column are shown, by its name."""
    head = _HEADS.get(name, name.replace("_", " "))
    if name in _PERCENT:
        return Column(name, head, "percent")
    if name in _SHARES:
        return Column(name, head, "share")
    if name == "p" or name.endswith("_p"):
        return Column(name, head, "p")
    if name in _COUNTS:
        return Column(name, head, "count")
    if name in _DATES:
        return Column(name, head, "date")
    if name == "value":
        return Column(name, head, "money")
    if name in ("passed", "same_sign", "same_session", "same_story", "in_estimation"):
        return Column(name, head, "flag")
    if name in _NUMBERS or name.startswith("beta_"):
        return Column(name, head, "number")
    return Column(name, head)


def frame_table(frame: pd.DataFrame, title: str = "", columns: Sequence[str] = (), notes: Sequence[str] = ()) -> Table:
    """A frame as a table: the columns asked for (all), numbers shown by what they are.

    Raises UnknownName for a column the frame does not have.
    """
    names = list(columns) or list(frame.columns)
    for name in names:
        if name not in frame.columns:
            raise UnknownName("column", name, frame.columns)
    made = tuple(_typed(column_of(n), frame[n].tolist()) for n in names)
    return Table(title, made, tuple(frame[names].itertuples(index=False, name=None)), tuple(notes))


def _typed(column: Column, values: Sequence[Any]) -> Column:
    """A column of numbers that nobody named is a column of numbers."""
    known = [v for v in values if v is not None and v == v]
    if column.kind == "text" and known and all(console.is_number(v) and not isinstance(v, bool) for v in known):
        return replace(column, kind="number")
    return column


_DEFAULT_COLUMNS = {
    "car": "event_id ticker window_start window_end car se ci_low ci_high p sq_p conformal_p placebo_p selection_p",
    "pairs": "event_id ticker session reaction_class model n_est alpha beta sigma r2",
    "tests": "test variant window_start window_end statistic p n status",
    "confounders": "ticker other_id title distance same_session same_story in_estimation",
    "robustness": "what car se ci_low ci_high p test n_est same_sign",
}


def result_table(
    result: StudyResult,
    name: str = "car",
    *,
    layout: Layout = "auto",
    columns: Sequence[str] = (),
    stars: bool = False,
    digits: int = 2,
    title: str | None = None,
) -> Table:
    """One frame of a result as a table.

    Parameters
    ----------
    name : str
        A frame: pairs, abnormal_returns, car, aar, caar, tests, jump, checks, confounders, excluded, robustness.
    layout : {"auto", "long", "se", "interval"}
        "se" and "interval" put windows side by side, the standard error in parentheses or the interval in brackets below
        each estimate (`car` and `caar`; what "auto" takes for them is "se"). "long" is the frame, row by row.
    columns : sequence of str, optional
        Columns of the long layout.
    stars : bool
        Mark estimates by their two-sided t p: * below .10, ** below .05, *** below .01.
    digits : int
        Decimals of percentages in the publication layout.
    title : str, optional

    Raises
    ------
    UnknownName
        No such frame, layout or column.
    """
    if name not in FRAMES:
        raise UnknownName("frame", name, FRAMES)
    if layout not in get_args(Layout):
        raise UnknownName("layout", layout, get_args(Layout))
    wide = name in ("car", "caar") and layout != "long" and not columns
    if layout in ("se", "interval") and not wide:
        raise RequestError(f'layout={layout!r} is for car and caar; use layout="long" for {name}')
    if wide:
        bracket = layout == "interval"
        return _publication(result, name, bracket, stars, digits, title)
    names = list(columns) or [c for c in _DEFAULT_COLUMNS.get(name, "").split() if c in getattr(result, name)]
    heading = f"{result.title}: {name.replace('_', ' ')}" if title is None else title
    return frame_table(getattr(result, name), heading, names, _notes(result, name))


def latex_table(result: StudyResult, name: str = "car", **options: Any) -> str:
    """A frame as a booktabs table for a paper; options of `result_table`, and `label`, `caption`, `position`."""
    outer = {k: options.pop(k) for k in ("label", "caption", "position") if k in options}
    outer.setdefault("label", f"tab:{name.replace('_', '-')}")
    return format_table(result_table(result, name, **options), "latex", **outer)


# ------------------------------------------------------------------------------------------------ publication layout


def _publication(result: StudyResult, name: str, bracket: bool, stars: bool, digits: int, title: str | None) -> Table:
    """Windows side by side; below each estimate its standard error or interval."""
    frame = getattr(result, name)
    windows = list(dict.fromkeys(zip(frame["window_start"], frame["window_end"])))
    groups = _groups(frame, name)
    heads = [Column("what", "Pair" if name == "car" else " ")]
    heads += [Column(f"w{j}", console.window(*w), "percent") for j, w in enumerate(windows)]
    rows: list[tuple[Any, ...]] = []
    for label, rows_by_window in groups:
        found = [rows_by_window.get(w) for w in windows]
        rows.append((label, *(_estimate(r, name, stars, digits) for r in found)))
        rows.append(("", *(_precision(r, bracket, digits) for r in found)))
    if name == "caar":
        by_window = groups[0][1] if groups else {}
        rows.append(("Pairs", *(console.count(by_window[w]["n"]) for w in windows)))
    heading = _publication_title(result, name) if title is None else title
    return Table(heading, tuple(heads), tuple(rows), _publication_notes(result, name, bracket, stars))


Row = Mapping[Any, Any]
Rows = dict[tuple[int, int], Row]


def _groups(frame: pd.DataFrame, name: str) -> list[tuple[str, Rows]]:
    """Label of each block of rows and its rows by window; a pair that occurs twice keeps both blocks."""
    blocks: list[tuple[str, Rows]] = []
    for row in frame.to_dict("records"):
        key = (row["window_start"], row["window_end"])
        label = f"{row['ticker']}, {row['event_id']}" if name == "car" else "Average"
        if not blocks or blocks[-1][0] != label or key in blocks[-1][1]:
            blocks.append((label, {}))
        blocks[-1][1][key] = row
    return blocks


def _estimate(row: Row | None, name: str, stars: bool, digits: int) -> str:
    if row is None or not console.is_number(row[name]):
        return ""
    mark = _stars(row.get("p")) if stars else ""
    return f"{100 * row[name]:.{digits}f}{mark}"


def _stars(p: Any) -> str:
    return "*" * sum(p < limit for limit in (0.10, 0.05, 0.01)) if console.is_number(p) else ""


def _precision(row: Row | None, bracket: bool, digits: int) -> str:
    if row is None or not console.is_number(row["se"]):
        return ""
    if bracket:
        return f"[{100 * row['ci_low']:.{digits}f}, {100 * row['ci_high']:.{digits}f}]"
    return f"({100 * row['se']:.{digits}f})"


def _publication_title(result: StudyResult, name: str) -> str:
    what = "cumulative abnormal returns" if name == "car" else "average cumulative abnormal returns"
    return f"{result.title}: {what}, percent"


def _publication_notes(result: StudyResult, name: str, bracket: bool, stars: bool) -> tuple[str, ...]:
    """What stands in the table, by which model, and of which form the interval is."""
    level = f"{100 * (1 - result.spec.level):g}%"
    form = _interval_form(result, name)
    below = f"{level} intervals, {form}, in brackets" if bracket else f"Standard errors ({form}) in parentheses"
    notes = [f"Columns are windows of sessions around the event, both ends included. {below}.", _model_note(result)]
    if stars and name == "car":
        notes.append("* p < .10, ** p < .05, *** p < .01, two-sided t of each pair.")
    return tuple(notes)


def _interval_form(result: StudyResult, name: str) -> str:
    if name == "car":
        return "prediction error of the pair, t(M - k)"
    forms = [f for f in result.caar["interval"].unique() if f] if "interval" in result.caar else []
    return "; ".join(forms) or "t"


def _model_note(result: StudyResult) -> str:
    models = list(dict.fromkeys(result.pairs["model"])) if len(result.pairs) else [result.spec.model]
    estimation = result.spec.estimation
    where = "all sessions before" if isinstance(estimation, str) else f"sessions {console.window(*estimation)}"
    basket = result.spec.benchmark
    against = "" if basket is None else f"; benchmark {basket if isinstance(basket, str) else ', '.join(basket)}"
    return f"Model {console.listed(models)}, estimated on {where}{against}."


def _notes(result: StudyResult, name: str) -> tuple[str, ...]:
    if name == "tests":
        return ("shown: printed without a vote; invalid: the design breaks the test; not_applicable: see the reason.",)
    if name in ("car", "caar", "aar", "abnormal_returns", "robustness"):
        return (_model_note(result),)
    return ()


# ------------------------------------------------------------------------------------------------ several studies


def comparison_table(results: Sequence[StudyResult]) -> Table:
    """Several studies side by side, one row each: estimate, interval, headline test and verdict."""
    columns = (
        Column("study"), Column("pairs", kind="count"), Column("window"), Column("estimate", kind="percent"),
        Column("interval", kind="text"), Column("test"), Column("p", kind="p"), Column("n", kind="count"),
        Column("verdict"),
    )  # fmt: skip
    rows = []
    for r in results:
        v = r.verdict
        rows.append(
            (r.name or r.title, len(r.pairs), console.window(*v.window), v.estimate, console.interval(*v.interval),
             v.headline, v.p, v.n, v.label)
        )  # fmt: skip
    return Table("Studies side by side", columns, tuple(rows))


# ------------------------------------------------------------------------------------------------ workbook


def write_workbook(result: StudyResult, path: str | Path) -> Path:
    """All frames as one XLSX workbook, the verdict on its first sheet; the same result gives the same bytes.

    Raises
    ------
    RequestError
        The file cannot be written there.
    """
    from .save import write_bytes
    from .workbook import workbook_bytes

    return write_bytes(Path(path), workbook_bytes(result))
