"""Finds which parts of a graph can be lowered to a smaller precision with a goal still reached.

First each part is lowered alone, and its harm is measured. The errors of different parts are nearly
independent, so their squares add up: lowering the parts in the order of squared harm for the work that they
save gets most of the work under the goal. Bisection finds how far that order reaches the goal; then the
parts that were left out are tried again, one after the other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

Log = Callable[[str], None]

# Parts that are tried again after the bisection.
_TRIES = 12


@dataclass(frozen=True)
class Finding:
    """`distance` of all `lowered` parts together, as `goals.distance` has it; `alone`: each part's harm."""

    lowered: tuple[str, ...]
    kept: tuple[str, ...]
    alone: dict[str, float]
    distance: float


def search(
    work: Mapping[str, float],
    harm: Callable[[str], float],
    distance: Callable[[Collection[str]], float],
    margin: float,
    log: Log,
) -> Finding:
    """`work` of each part, in any unit; `harm` of a part alone; `distance` from the goal of several together.

    `margin` is the distance to stay under: below 1, so that other windows than these pass as well.
    """
    parts = list(work)
    whole = distance(parts)
    log(f"  all {len(parts)} lowered: {whole:.2f} of what the goal allows")
    if whole <= margin:
        return Finding(tuple(parts), (), {}, whole)
    alone = {part: harm(part) for part in parts}
    order = sorted(parts, key=lambda part: (alone[part] ** 2 / work[part], part))
    total = sum(work.values())
    for part in order:
        log(f"  {part:<44} harm {alone[part]:.3%} of the spread, work {work[part] / total:.1%}")
    reached, found = _longest_prefix(order, distance, margin, log)
    lowered = order[:reached]
    for part in order[reached + 1 :][:_TRIES]:
        attempt = distance([*lowered, part])
        log(f"  {attempt:6.2f}  with {part}")
        if attempt <= margin:
            lowered.append(part)
            found = attempt
    kept = tuple(part for part in order if part not in lowered)
    log(f"  lowered: {sum(work[part] for part in lowered) / total:.0%} of the work, {found:.2f} of the goal")
    return Finding(tuple(lowered), kept, alone, found)


def _longest_prefix(
    order: list[str], distance: Callable[[Collection[str]], float], margin: float, log: Log
) -> tuple[int, float]:
    low, high, best = 0, len(order), 0.0
    while high - low > 1:
        middle = (low + high) // 2
        found = distance(order[:middle])
        log(f"  {found:6.2f}  the first {middle} together")
        if found <= margin:
            low, best = middle, found
        else:
            high = middle
    return low, best
