"""Bar charts as SVG: one group of bars for each model, on a logarithmic scale.

Colours follow the reader's light or dark setting; text is text.
"""

import math
import re
from xml.sax.saxutils import escape

LEFT, RIGHT, TOP, BAR, GAP = 300, 70, 62, 13, 10
WIDTH = 900
STYLE = """
  text { font-family: system-ui, sans-serif; font-size: 12px; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .b0 { fill: #0a7d55 } .b1 { fill: #c2571a } .b2 { fill: #e6a15c }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d }
    .b0 { fill: #3fb984 } .b1 { fill: #e0793a } .b2 { fill: #f0bd85 }
  }
"""


def decades(values):
    """The powers of ten around some values, with room for the smallest bar."""
    low = math.floor(math.log10(min(values) * 0.8))
    high = math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def text(x, y, content, style="", anchor="start"):
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{escape(content)}</text>'


def chart(title, series, groups, label):
    """`groups` maps a model to one value for each of the `series`; None is drawn as the
    words that stand beside it: a value may be (None, words). `label` writes a value."""
    plain = [value for values in groups.values() for value in values
             if isinstance(value, (int, float))]
    if not plain:
        return None
    low, high = decades(plain)
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    step = len(series) * BAR + GAP
    bottom = TOP + len(groups) * step
    parts = [text(12, 22, title, "title")]
    at = 12
    for i, name in enumerate(series):
        parts.append(f'<rect class="b{i}" x="{at}" y="34" width="11" height="11" rx="2"/>')
        parts.append(text(at + 16, 44, name))
        at += 34 + 7 * len(name)
    for power in range(low, high + 1):
        x = LEFT + (power - low) * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" '
                     f'y2="{bottom}"/>')
        mark = re.sub(r"(\.\d*?)0+(?= )", r"\1", label(10.0 ** power)).replace(". ", " ")
        parts.append(text(x, bottom + 16, mark, "small", "middle"))
    for g, (name, values) in enumerate(groups.items()):
        y = TOP + g * step
        parts.append(text(LEFT - 10, y + len(series) * BAR / 2 + 4, name, anchor="end"))
        for i, value in enumerate(values):
            line = y + i * BAR
            if isinstance(value, (int, float)):
                width = max((math.log10(value) - low) * scale, 2)
                parts.append(f'<rect class="b{i}" x="{LEFT}" y="{line}" width="{width:.1f}" '
                             f'height="{BAR - 2}" rx="2"/>')
                parts.append(text(LEFT + width + 5, line + BAR - 3, label(value), "small"))
            else:
                words = value[1] if value else "–"
                parts.append(text(LEFT + 5, line + BAR - 3, words, "small"))
    height = bottom + 28
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
            + "\n".join(parts) + "\n</svg>\n")
