"""A sample of random structures; `scripts/check-structures random` tries hundreds."""

import pytest

from exported_structure import EXPORTED, NOT_MADE, REFUSED, outcome_of
from random_structures import random_structure


@pytest.mark.parametrize("seed", range(6))
def test_a_random_structure_is_exported_and_equals_pytorch_or_is_refused_by_name(seed, tmp_path):
    outcome = outcome_of(lambda: random_structure(seed), tmp_path, ("--exporter", "legacy"))
    assert outcome.kind in (EXPORTED, REFUSED, NOT_MADE), outcome.detail
