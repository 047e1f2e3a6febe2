"""The strong peer of an evaluation learns what there is to learn, and predicts quantiles, not means."""

import numpy as np
import pytest

from tft_export.judging.peers import PeerShape, features, peer_forecasts, train_peer


def test_its_inputs_are_the_past_only_and_move_with_the_level():
    rng = np.random.default_rng(0)
    past = rng.normal(50, 10, (4, 48))
    windows, steps = np.array([0, 1, 1]), np.array([0, 0, 11])
    found = features(past, windows, steps, 0.1)
    assert found.shape[0] == 3
    moved = features(past + 7, windows, steps, 0.1)
    # All but the level itself: a forecast moves with the series.
    np.testing.assert_allclose(moved[:, 1:], found[:, 1:], atol=1e-5)


def test_it_learns_a_rhythm_and_its_noise(tmp_path):
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(1)
    time = np.arange(36)[None] + rng.integers(0, 24, 3000)[:, None]
    series = 50 + 20 * np.sin(time / 24 * 2 * np.pi) + rng.normal(0, 2, (3000, 36))
    past, future = series[:, :24], series[:, 24:]
    shape = PeerShape(24, 12, (0.1, 0.5, 0.9), 0.1)
    train_peer(past[:2500], future[:2500], np.ones((2500, 12), bool), shape, tmp_path)
    found = peer_forecasts(tmp_path, past[2500:])
    assert found.shape == (500, 12, 3)
    truth = future[2500:]
    assert np.abs(found[..., 1] - truth).mean() < 3  # the noise alone gives 1.6
    inside = ((truth >= found[..., 0]) & (truth <= found[..., 2])).mean()
    assert 0.6 < inside < 0.9  # so few windows make the trees too sure
