"""Which machines and which time train, which choose, and which only judge.

Machines whose values are correlated over 0.6 are one group, and a group is on one side. What chooses the
weights and calibrates the quantiles is other machines at a later time.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..windows.metrics import STEPS_PER_DAY, TARGET

TWINS = 0.6


@dataclass(frozen=True)
class Split:
    """Servers by role. `cuts` is the slot at which each server's later span begins."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    cuts: dict[str, int]
    twins: dict[str, int]  # the group of each server


def correlations(gridded: pd.DataFrame) -> pd.DataFrame:
    """The correlation of every pair of servers' targets where both were recorded for two days or more."""
    wide = gridded[~gridded["filled"]].pivot_table(index="slot", columns="server_name", values=TARGET)
    return wide.corr(min_periods=2 * STEPS_PER_DAY).fillna(0.0)


def twin_groups(correlation: pd.DataFrame) -> dict[str, int]:
    """A number for each server; servers linked by correlations over TWINS share it."""
    close = correlation.to_numpy() > TWINS
    group = np.arange(len(correlation))
    for row in range(len(correlation)):
        for other in np.flatnonzero(close[row, :row]):
            group[group == group[other]] = group[row]
    return dict(zip(correlation.columns, group.tolist(), strict=True))


def split_servers(
    gridded: pd.DataFrame,
    test_servers: frozenset[str],
    validation_share: float,
    test_share: float,
    later_share: float,
    seed: int,
) -> Split:
    """`test_servers` only judge; of the others whole groups of twins are drawn for test and validation."""
    correlation = correlations(gridded)
    groups = twin_groups(correlation.drop(index=test_servers, columns=test_servers, errors="ignore"))
    names = np.array(sorted(groups))
    order = np.random.default_rng(seed).permutation(sorted(set(groups.values())))
    roles: dict[str, list[str]] = {"test": sorted(test_servers), "validation": [], "training": []}
    wanted = {
        "test": len(test_servers) + test_share * len(names),
        "validation": validation_share * len(names),
    }
    for number in order:
        members = [name for name in names if groups[name] == number]
        # A large group of twins stays in training: otherwise it would be most of the servers held out.
        fits = [r for r in ("test", "validation") if len(roles[r]) + len(members) <= round(wanted[r])]
        roles[fits[0] if fits else "training"] += members
    return Split(
        tuple(sorted(roles["training"])),
        tuple(sorted(roles["validation"])),
        tuple(roles["test"]),
        _cuts(gridded, later_share),
        groups,
    )


def twins_of_training(correlation: pd.DataFrame, split: Split) -> list[str]:
    """The test servers that run in step with a training server: a model has in part seen their course."""
    training = [name for name in split.training if name in correlation]
    test = [name for name in split.test if name in correlation]
    return [name for name in test if (correlation.loc[name, training] > TWINS).any()]


def _cuts(gridded: pd.DataFrame, later_share: float) -> dict[str, int]:
    """Of all machines recorded at one time the last share begins at one time; earlier if a record ends
    before."""
    spans = gridded.groupby("server_name")["slot"].agg(["min", "max"]).sort_values("min")
    fleet = (spans["min"] > spans["max"].cummax().shift(fill_value=spans["max"].iloc[0])).cumsum()
    cuts = {}
    for _, members in spans.groupby(fleet):
        first, last = members["min"].min(), members["max"].max()
        common = last - round((last - first) * later_share)
        for name, row in members.iterrows():
            own = row["max"] - round((row["max"] - row["min"]) * later_share)
            cuts[name] = int(common if row["max"] > common else own)
    return cuts
