"""The table of an evaluation as text: a block for each set, then its horizons and regimes."""

from .judge import gain_of


def as_text(table: dict) -> str:
    return "\n\n".join(_set_lines(judged) for judged in table["sets"])


def _set_lines(judged: dict) -> str:
    lines = [
        f"{judged['name']}: {judged['windows']} windows of {judged['machines']} machines; "
        f"best naive: {judged['bestNaive']}; machines won: {judged['won']}",
        f"  {'forecast':<34} {'pinball':>8} {'under best naive':>17} {'95 % interval':>18} "
        f"{'80 % band holds':>16}",
    ]
    lines += [
        f"  {row['name']:<34} {row['pinball']:8.4f} {_share(row['gain']):>17} "
        f"{_interval(row['interval']):>18} "
        f"{_share(row['coverage80']):>16}"
        for row in judged["forecasts"]
    ]
    model = judged["forecasts"][0]["name"]
    parts = [(_ahead(part["minutes"]), part) for part in judged["horizons"]]
    parts += [(f"{part['regime']} ({part['machines']})", part) for part in judged["regimes"]]
    shown = "; ".join(f"{label} {_share(gain_of(part, model))}" for label, part in parts)
    lines.append(f"  {model} by horizon and regime (machines): {shown}")
    lines.append(
        f"  as computed {judged['crossed']:.2%} of neighbouring quantiles cross, "
        f"{judged['outOfRange']:.2%} of values are out of range; resolution {judged['resolution']:.3g}"
    )
    return "\n".join(lines)


def _ahead(minutes: int) -> str:
    return f"+{minutes // 60} h" if minutes % 60 == 0 else f"+{minutes} min"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _interval(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"[{pair[0]:.1%}, {pair[1]:.1%}]"
