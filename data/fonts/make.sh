#!/bin/sh
# Makes NotoSansCJKsc-subset.otf: Noto Sans CJK SC Regular cut to the characters that names and titles need; and
# Minus-*.ttf: a minus sign on the hyphen's code, so that "-2.1%" is set with a minus and still found as "-2.1%".
#
#   sh make.sh [NotoSansCJK-Regular.ttc]
#
# Without an argument Debian's package fonts-noto-cjk is downloaded into a temporary folder (57 MB, nothing is installed).
# Needs python3 with fonttools (pip install fonttools). Result: 10,524 characters, 2.3 MB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -ge 1 ]; then
    font=$1
else
    (cd "$work" && apt-get download fonts-noto-cjk && dpkg -x fonts-noto-cjk_*.deb package)
    font=$work/package/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc
fi

python3 - > "$work/characters" <<'PY'
"""Code points of GB 2312, Big5 and JIS level 1, kana, Latin, Greek and the signs of figures and tables, one a line."""
gb2312 = [bytes([a, b]).decode("gb2312", "ignore") for a in range(0xA1, 0xF8) for b in range(0xA1, 0xFF)]
big5 = [bytes([a, b]).decode("big5", "ignore") for a in range(0xA1, 0xC7) for b in [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
        if a < 0xC6 or b < 0x7F]
jis = [bytes([a, b]).decode("euc_jp", "ignore") for a in range(0xB0, 0xD0) for b in range(0xA1, 0xFF)]
blocks = [(0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x2010, 0x2044), (0x20A0, 0x20BF), (0x2190, 0x2193), (0x2200, 0x2265),
          (0x2500, 0x257F), (0x25A0, 0x25CF), (0x3000, 0x30FF), (0xFF00, 0xFFEF)]
characters = {ord(c) for text in gb2312 + big5 + jis for c in text if c.isprintable() or c == "\u3000"}
characters |= {c for first, last in blocks for c in range(first, last + 1)}
print("\n".join(f"{c:04X}" for c in sorted(characters)))
PY

# Face 2 of the collection is SC. Hints and vertical forms are not needed on paper.
python3 -m fontTools.subset "$font" --font-number=2 --unicodes-file="$work/characters" --output-file="$work/subset.otf" \
    --layout-features=kern,mark,mkmk --no-hinting --name-IDs='*' --drop-tables+=vhea,vmtx,VORG,BASE,DSIG

# A family name of its own: the machine's Noto never stands in for it, so that figures are the same everywhere.
python3 - "$work/subset.otf" "$here/NotoSansCJKsc-subset.otf" <<'PY'
import sys
from fontTools.ttLib import TTFont

font = TTFont(sys.argv[1], recalcTimestamp=False)
names = {1: "Noto Sans CJK SC Subset", 3: "NotoSansCJKsc-Subset", 4: "Noto Sans CJK SC Subset", 6: "NotoSansCJKsc-Subset"}
for record in font["name"].names:
    if record.nameID in names:
        record.string = names[record.nameID]
font["name"].names = [r for r in font["name"].names if r.nameID not in (16, 17)]
font.save(sys.argv[2])
PY

# A bar as wide and as high as the serif's own minus, in two weights.
python3 - "$here" <<'PY'
import sys
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen


def bar(low, high):
    pen = TTGlyphPen(None)
    pen.moveTo((35, low)), pen.lineTo((35, high)), pen.lineTo((515, high)), pen.lineTo((515, low)), pen.closePath()
    return pen.glyph()


for style, weight, low, high in (("Regular", 400, 212, 264), ("Bold", 700, 200, 276)):
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "minus"])
    font.setupCharacterMap({0x2D: "minus"})
    font.setupGlyf({".notdef": bar(low, high), "minus": bar(low, high)})
    font.setupHorizontalMetrics({".notdef": (550, 35), "minus": (550, 35)})
    font.setupHorizontalHeader(ascent=894, descent=-246)
    font.setupOS2(sCapHeight=658, sxHeight=430, usWeightClass=weight, sTypoAscender=894, sTypoDescender=-246,
                  fsSelection=0x20 if weight > 400 else 0x40)
    font.setupNameTable({"familyName": "Abnormal Minus", "styleName": style, "psName": f"AbnormalMinus-{style}"})
    font.setupPost()
    font.font["head"].created = font.font["head"].modified = 0
    font.font["head"].macStyle = 1 if weight > 400 else 0
    font.font.recalcTimestamp = False
    font.save(f"{sys.argv[1]}/Minus-{style}.ttf")
PY
ls -l "$here"/*.[ot]tf
