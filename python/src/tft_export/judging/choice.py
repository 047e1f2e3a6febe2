"""The forecast that was best on a machine's earlier windows, without a look ahead: docs/judging.md."""

from collections.abc import Sequence

import numpy as np


def chosen(
    origins: np.ndarray, losses: np.ndarray, horizon: int, day: int, asked: Sequence[int] | None = None
) -> np.ndarray:
    """The number of the forecast to use at each origin of one machine, 0 being the model.

    `origins` [windows] increase; `losses` [windows, forecasts] are means over measured steps. `asked` are
    other origins to answer for; by default the windows' own.
    """
    answers = []
    for origin in origins if asked is None else asked:
        known = int(np.searchsorted(origins, origin - horizon, side="right"))
        if not known or origins[known - 1] - origins[0] < day:
            answers.append(0)
        else:
            answers.append(int(np.argmin(losses[:known].sum(axis=0))))
    return np.array(answers, dtype=np.int64)
