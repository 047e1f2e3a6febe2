"""Finds which parts of a graph can be lowered to a smaller precision with a goal still reached.

Each part is lowered alone first and its damage measured. Then as many as possible are lowered together, the
harmless ones first: bisection over that order, and after it each of those left out is tried once more. What
remains is the smallest kept set that this greedy order finds.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

# Measures a set of lowered parts: the distance from the goal, 1 and below reached it. The second argument
# allows a quick measurement on fewer windows.
Measure = Callable[[Collection[str], bool], float]
Log = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """`distance` of all `lowered` parts together; `alone` of each part; both as `Goal.distance` has them."""

    lowered: tuple[str, ...]
    kept: tuple[str, ...]
    alone: dict[str, float]
    distance: float


def search(parts: Sequence[str], measure: Measure, margin: float, log: Log) -> Finding:
    """`margin`: the distance to stay under, less than 1 so that other windows than these pass as well."""
    whole = measure(parts, False)
    log(f"  all {len(parts)} lowered: {whole:.2f} of what the goal allows")
    if whole <= margin:
        return Finding(tuple(parts), (), {}, whole)
    alone = {}
    for part in parts:
        alone[part] = measure([part], True)
        log(f"  {alone[part]:8.3f}  {part} alone")
    order = sorted(parts, key=lambda part: (alone[part], part))
    reached, distance = _longest_prefix(order, measure, margin, log)
    lowered = order[:reached]
    for part in order[reached + 1 :]:
        if alone[part] > margin:
            break
        attempt = measure([*lowered, part], False)
        log(f"  {attempt:8.3f}  with {part}")
        if attempt <= margin:
            lowered.append(part)
            distance = attempt
    kept = tuple(part for part in order if part not in lowered)
    return Finding(tuple(lowered), kept, alone, distance)


def _longest_prefix(order: list[str], measure: Measure, margin: float, log: Log) -> tuple[int, float]:
    low, high, distance = 0, len(order), 0.0
    while high - low > 1:
        middle = (low + high) // 2
        found = measure(order[:middle], False)
        log(f"  {found:8.3f}  the {middle} least harmful together")
        if found <= margin:
            low, distance = middle, found
        else:
            high = middle
    return low, distance
