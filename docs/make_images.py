"""Makes the pictures of the README through the public names: `python docs/make_images.py`.

The same data give the same files. Page one of the report needs pdftoppm (poppler) only for its picture.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import abnormal as ab

IMAGES = Path(__file__).parent / "images"
STUDY = "anthropic_export_order"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    study = ab.run(STUDY)
    for form in ("svg", "png"):
        study.plot.save("car", IMAGES / f"{STUDY}_car.{form}")


if __name__ == "__main__":
    main()
