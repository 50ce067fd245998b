"""Makes Roboto-subset.ttf, and Roboto-subset.txt with all its characters, from Roboto-Regular.ttf 2.138 (Debian fonts-roboto-unhinted): `subset_font.py FONT`.

Latin, Greek, Cyrillic, punctuation and the signs that captions use; no hinting, which resvg ignores, and no
OpenType features but kerning and marks.
"""

import sys
from pathlib import Path

import fontTools
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

assert fontTools.version == "4.68.0", fontTools.version

RANGES = [
    (0x0020, 0x007E),  # Basic Latin
    (0x00A0, 0x024F),  # Latin-1 and the Latin of Europe and Africa
    (0x02C6, 0x02DD),  # modifiers
    (0x0300, 0x036F),  # combining marks
    (0x0370, 0x03FF),  # Greek
    (0x0400, 0x04FF),  # Cyrillic
    (0x1E00, 0x1EFF),  # Latin of Vietnam
    (0x2010, 0x2027),  # dashes and quotation marks
    (0x2030, 0x203A),  # per mille, primes
    (0x2070, 0x208E),  # superscripts and subscripts
    (0x20AC, 0x20AC),  # euro
    (0x2200, 0x22FF),  # mathematical operators, as far as the font has them
]

font = TTFont(sys.argv[1], recalcTimestamp=False)
assert font["name"].getDebugName(5).startswith("Version 2.138"), font["name"].getDebugName(5)
options = Options(hinting=False, layout_features=["kern", "mark", "mkmk", "ccmp"], name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
subsetter = Subsetter(options)
subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
subsetter.subset(font)
path = Path(__file__).with_name("Roboto-subset.ttf")
font.save(path)
characters = "".join(chr(code) for code in sorted(font.getBestCmap()))
path.with_suffix(".txt").write_text(characters, encoding="utf-8")
