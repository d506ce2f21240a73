"""Makes the pictures of the README through the public names: `python docs/make_images.py`.

The same data give the same files, whatever fonts the machine has. The picture of page one of the report is made by pdftoppm
(poppler); where that is not installed it is left as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import abnormal as ab

IMAGES = Path(__file__).parent / "images"
STUDY = "anthropic_export_order"


def main() -> None:
    """The cumulative abnormal return as SVG and PNG, and page one of the report as PNG."""
    study = ab.run(STUDY)
    for form in ("svg", "png"):
        study.plot.save("car", IMAGES / f"{STUDY}_car.{form}")
    draw = shutil.which("pdftoppm")
    if draw is None:
        print("pdftoppm is not installed: the picture of the report stays as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        report = study.report(Path(folder) / "report.pdf")
        subprocess.run(
            [draw, "-png", "-r", "110", "-f", "1", "-l", "1", "-singlefile", report, IMAGES / f"{STUDY}_report"],
            check=True,
        )


if __name__ == "__main__":
    main()
