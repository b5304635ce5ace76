"""The results as a chart: a bar for the wall time of each way."""

from html import escape

ROW, BAR, LEFT, WIDTH, RIGHT = 30, 18, 290, 860, 120

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .dim { fill: #59636e } .bar { fill: #afb8c1 } .ours { fill: #0969da }
.bold { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .dim { fill: #9198a1 } .bar { fill: #4b535d } .ours { fill: #4493f8 } }
"""


def svg(results):
    rows = [(name, result) for name, result in results.items() if result.median("wall")]
    rows.sort(key=lambda row: -row[1].median("wall"))
    longest = max(result.median("wall") for _, result in rows)
    height = ROW * len(rows) + 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        '<title id="title">Wall time of each way from a disk image to an archive, warm cache</title>',
        f"<style>{STYLE}</style>",
        '<text x="0" y="16" class="bold">From a disk image to an archive with its checksum: seconds, warm cache</text>',
    ]
    for index, (name, result) in enumerate(rows):
        wall, top = result.median("wall"), 34 + index * ROW
        length = max(2, (WIDTH - LEFT - RIGHT) * wall / longest)
        ours = result.way.is_ours
        weight = ' class="bold"' if ours else ""
        parts += [
            f'<text x="{LEFT - 10}" y="{top + 14}" text-anchor="end"{weight}>{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" class="{"ours" if ours else "bar"}"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{top + 14}">{wall:.1f} s <tspan class="dim">{"root" if result.way.needs_root else ""}</tspan></text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
