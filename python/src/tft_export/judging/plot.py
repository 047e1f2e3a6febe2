"""The table of an evaluation as an SVG plot: each forecast's gain over the best naive one, with its
interval."""

from html import escape

_LEFT, _WIDTH, _ROW, _HEAD, _RIGHT = 250, 460, 20, 34, 70
_LOW, _HIGH = -0.5, 0.5
_COLOURS = ("#1b6ca8", "#c05f1a", "#5b8c3a", "#7a4fa0", "#777777")


def plot(table: dict) -> str:
    """Rows that are naive by name are left out but for the zero line, which is the best of them."""
    parts, y = [], 10
    for judged in table["sets"]:
        parts.append(_text(10, y + 16, judged["name"], weight="bold"))
        parts.append(_text(_LEFT + _WIDTH + 5, y + 16, f"{judged['machines']} machines", size=11))
        y += _HEAD - 8
        top = y
        rows = [row for row in judged["forecasts"] if row["gain"] is not None and row["interval"] is not None]
        for number, row in enumerate(rows):
            parts.append(_text(20, y + 13, row["name"], size=12))
            parts += _bar(row, y + 9, _COLOURS[min(number, len(_COLOURS) - 1)])
            y += _ROW
        parts.append(
            f'<line x1="{_x(0):.1f}" y1="{top}" x2="{_x(0):.1f}" y2="{y}" stroke="#333" stroke-width="1"/>'
        )
        y += 8
    for share in (-0.4, -0.2, 0.0, 0.2, 0.4):
        parts.append(
            _text(_x(share), y + 12, f"{share:+.0%}" if share else "best naive", size=11, middle=True)
        )
    width, height = _LEFT + _WIDTH + _RIGHT + 20, y + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        "<title>Pinball loss under the best naive forecast, with intervals over machines</title>\n"
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(row: dict, y: float, colour: str) -> list[str]:
    low, high = (_x(value) for value in row["interval"])
    return [
        f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="3" '
        f'stroke-opacity="0.45"/>',
        f'<circle cx="{_x(row["gain"]):.1f}" cy="{y}" r="4" fill="{colour}"/>',
    ]


def _x(share: float) -> float:
    return _LEFT + (min(max(share, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW) * _WIDTH


def _text(x: float, y: float, text: str, size: int = 13, weight: str = "normal", middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}"{anchor}>{escape(text)}</text>'
    )
