"""Puts what the program prints into README.md, between its marks: `python docs/make_readme.py`."""

from __future__ import annotations

import re
from pathlib import Path

import abnormal as ab

README = Path(__file__).resolve().parent.parent / "README.md"
STUDY = "anthropic_export_order"


def with_output(text: str) -> str:
    """README's text with the printed answer of the study in its place."""
    block = f"<!-- output -->\n```\n{ab.run(STUDY)}\n```\n<!-- /output -->"
    return re.sub(r"<!-- output -->.*?<!-- /output -->", lambda _: block, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(with_output(README.read_text(encoding="utf-8")), encoding="utf-8")
