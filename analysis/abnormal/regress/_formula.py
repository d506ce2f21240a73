"""Reading a regression formula: which names it uses, whether they exist, and the design matrix it asks for.

A formula comes from a study file or a command line, so it may call the functions listed here and nothing else: no
attribute, no subscript, no other Python is evaluated.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError, UnknownName

if TYPE_CHECKING:
    import pandas as pd

OUTCOMES = ("car", "scar", "bhar")
NUMPY = ("log", "log1p", "log2", "log10", "exp", "sqrt", "abs", "sign", "square", "maximum", "minimum", "where", "clip")
PATSY = (
    "C", "Q", "I", "center", "standardize", "scale", "bs", "cr", "cc", "te", "Treatment", "Sum", "Poly", "Diff", "Helmert",
)  # fmt: skip
WORDS = ("in", "True", "False", "None")
REFUSED = set("{}@;`$?")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula taken apart: its text with a left side, the outcome's expression and the names it reads."""

    text: str
    left: str
    names: tuple[str, ...]

    @property
    def plain_car(self) -> bool:
        """Whether the outcome is the CAR itself, so that it is linear in returns."""
        return self.left == "car"

    @property
    def right_names(self) -> tuple[str, ...]:
        return tuple(n for n in self.names if n not in OUTCOMES)


def read_formula(text: str, known: Iterable[str]) -> Formula:
    """Take `car ~ unlock_pct + C(role)` apart; the left side may be left out.

    Raises UnknownName for a characteristic or function that does not exist, RequestError for what is no formula.
    """
    if not isinstance(text, str) or not text.strip():
        raise RequestError(f'formula: {text!r} given; expected text such as "car ~ unlock_pct + C(role)"')
    left, tilde, right = text.partition("~")
    if not tilde:
        left, right = "car", text
    left = left.strip() or "car"
    if "~" in right:
        raise RequestError(f"formula {text!r} has two ~; expected one, as in car ~ unlock_pct")
    whole = f"{left} ~ {right.strip()}"
    available = [*OUTCOMES, *known]
    names = [*_names(left, whole, available), *_names(right, whole, available)]
    if not set(names) & set(OUTCOMES):
        raise RequestError(f'formula {whole!r} explains no abnormal return; the left side is "car" (or scar, bhar)')
    if set(_names(right, whole, available)) & set(OUTCOMES):
        raise RequestError(
            f"formula {whole!r} has an abnormal return on its right side; that is what is to be explained"
        )
    return Formula(whole, left, tuple(dict.fromkeys(names)))


def _tokens(part: str, whole: str) -> list[tokenize.TokenInfo]:
    try:
        found = list(tokenize.generate_tokens(io.StringIO(part.strip()).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError) as error:
        raise RequestError(f"formula {whole!r} cannot be read: {error.args[0]}") from None
    skip = (tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
    return [t for t in found if t.type not in skip]


def _names(part: str, whole: str, known: list[str]) -> list[str]:
    """Characteristics the part reads, each checked; functions are checked too."""
    out: list[str] = []
    tokens = _tokens(part, whole)
    if not tokens:
        raise RequestError(f"formula {whole!r} has nothing on one side of ~; expected car ~ unlock_pct")
    texts = ["", "", *(t.string for t in tokens), ""]
    for i, token in enumerate(tokens, start=2):
        before, text, after = texts[i - 1], texts[i], texts[i + 1]
        if token.type == tokenize.STRING:
            _plain_string(text, whole)
            if texts[i - 2] == "Q" and before == "(":
                out.append(_known(text[1:-1], known))
        elif token.type == tokenize.NAME:
            name = _name(before, text, after, texts[i - 2], known, whole)
            out += [name] if name else []
        elif _has_no_place(token, before):
            raise RequestError(f"formula {whole!r}: {text!r} has no place in a formula")
    return out


def _has_no_place(token: tokenize.TokenInfo, before: str) -> bool:
    """Marks no formula needs: attributes of anything but np, braces, assignments, characters the language does not know."""
    text = token.string
    if token.type == tokenize.ERRORTOKEN:
        return bool(text.strip())
    return bool(REFUSED & set(text)) or (text == "." and before != "np") or text == ":="


def _plain_string(text: str, whole: str) -> None:
    if text[0] not in "\"'":
        raise RequestError(f"formula {whole!r}: {text} is no plain text; write 'text' in quotes")


def _name(before: str, text: str, after: str, before_dot: str, known: list[str], whole: str) -> str:
    """The characteristic a word stands for, or "" for functions, keywords of a call and words of the language."""
    if before == ".":
        if before_dot != "np" or text not in NUMPY:
            raise UnknownName("function in the formula", text, NUMPY, f"numpy functions allowed: {', '.join(NUMPY)}")
        return ""
    if after == "(":
        if text not in (*PATSY, *NUMPY):
            raise UnknownName(
                "function in the formula", text, (*PATSY, *NUMPY), f"allowed: {', '.join((*PATSY[:6], *NUMPY))}"
            )
        return ""
    if text in WORDS or (text == "np" and after == ".") or after == "=" or text in ("Treatment", "Sum", "Poly", "Diff"):
        return ""
    return _known(text, known)


def _known(name: str, known: list[str]) -> str:
    if name not in known:
        listed = ", ".join(known[:24]) + (" ..." if len(known) > 24 else "")
        raise UnknownName("characteristic", name, known, f"this study has: {listed}; others come with data=")
    return name


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """y (n,), z (n, k) with its column names, the places in the frame they come from, and what was not finite."""

    y: np.ndarray
    z: np.ndarray
    names: tuple[str, ...]
    places: np.ndarray
    dropped: np.ndarray


def build_design(formula: Formula, frame: pd.DataFrame) -> Design:
    """The outcome and regressors of the rows of `frame`, rows where an expression is not finite left out.

    The frame has no missing values in the names used; its index counts places.
    """
    places = np.arange(len(frame))
    while True:
        y, z = _matrices(formula, frame.iloc[places])
        kept = places[z.index.to_numpy(int)]
        finite = np.isfinite(z.to_numpy(float)).all(axis=1) & np.isfinite(y.to_numpy(float)).all(axis=1)
        # Centring and categories depend on the rows, so what is left is evaluated afresh.
        if finite.all() and kept.size == places.size:
            dropped = np.setdiff1d(np.arange(len(frame)), places)
            return Design(y.to_numpy(float)[:, 0], z.to_numpy(float), tuple(z.columns), places, dropped)
        places = kept[finite]
        if not places.size:
            return Design(np.empty(0), np.empty((0, 0)), (), places, np.arange(len(frame)))


def _matrices(formula: Formula, frame: pd.DataFrame) -> tuple[Any, Any]:
    import patsy

    environment = patsy.EvalEnvironment([{"np": np, **{name: getattr(np, name) for name in NUMPY}}])
    counted = frame.reset_index(drop=True)
    try:
        with np.errstate(all="ignore"):
            y, z = patsy.dmatrices(formula.text, counted, environment, NA_action="drop", return_type="dataframe")
    except (patsy.PatsyError, ValueError, TypeError, ArithmeticError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"formula {formula.text!r} cannot be evaluated: {first}") from None
    if y.shape[1] != 1:
        raise RequestError(
            f"formula {formula.text!r}: the left side gives {y.shape[1]} columns; expected one number a pair"
        )
    return y, z
