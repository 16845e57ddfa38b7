import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from service.monitoring.statistics.effect_sizes import jensen_shannon, population_stability, wasserstein

RNG_SEED = 3


def test_the_stability_index_is_its_definition() -> None:
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    found = population_stability(np.array([500_000, 500_000]), np.array([[600_000, 400_000]]))
    assert found.size == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8), abs=1e-5)


def test_the_stability_index_of_a_small_shift_is_about_its_square() -> None:
    edges = stats.norm.ppf(np.arange(1, 40) / 40)
    shares = np.diff([0, *stats.norm.cdf(edges - 0.3), 1])
    found = population_stability(np.full(40, 25_000), np.rint(shares * 1e6).astype(np.int64)[np.newaxis])
    assert found.size == pytest.approx(0.09, rel=0.1)


def test_an_empty_bin_gives_a_finite_index() -> None:
    found = population_stability(np.array([0, 100, 0]), np.array([[100, 0, 0], [0, 100, 0]]))
    assert found.size[0] > 5
    assert np.isfinite(found.size).all()
    assert found.size[1] == pytest.approx(0, abs=1e-9)


def test_the_distance_of_atoms_is_that_of_scipy() -> None:
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(50):
        edges = np.sort(rng.normal(size=9))
        bounds = np.concatenate([[edges[0] - 1], edges, [edges[-1] + 1]])
        first_at, second_at = (rng.uniform(bounds[:-1], bounds[1:]) for _ in range(2))
        reference, window = rng.integers(1, 50, 10), rng.integers(0, 50, 10)
        expected = stats.wasserstein_distance(first_at, second_at, reference, window)
        found = wasserstein(reference, window[np.newaxis], first_at, second_at[np.newaxis])
        assert found.size == pytest.approx(expected, rel=1e-9)


def test_the_distance_of_categories_is_that_of_scipy() -> None:
    reference, windows = np.array([50, 30, 20, 0]), np.array([[10, 60, 30, 0], [0, 0, 0, 9]])
    expected = [jensenshannon(reference, window, base=2) for window in windows]
    assert jensen_shannon(reference, windows).size == pytest.approx(expected)


@pytest.mark.parametrize(("m", "n"), [(10_000, 1_000), (150, 500), (10_000, 100)])
def test_noise_is_the_mean_without_drift(m: int, n: int) -> None:
    rng = np.random.default_rng(RNG_SEED)
    shares, at = np.full(20, 0.05), np.linspace(-2, 2, 20)
    sizes: dict[str, list[float]] = {"psi": [], "distance": [], "divergence": []}
    noise = {}
    for _ in range(200):
        reference, windows = rng.multinomial(m, shares), rng.multinomial(n, shares, 20)
        places = np.broadcast_to(at, windows.shape)
        psi = population_stability(reference, windows)
        distance = wasserstein(reference, windows, at, places)
        divergence = jensen_shannon(reference, windows)
        sizes["psi"] += psi.size.tolist()
        sizes["distance"] += distance.size.tolist()
        sizes["divergence"] += (divergence.size**2).tolist()
        noise = {
            "psi": psi.noise.mean(),
            "distance": distance.noise.mean(),
            "divergence": (divergence.noise**2).mean(),
        }
    for name, found in sizes.items():
        assert noise[name] == pytest.approx(np.mean(found), rel=0.25), name


def test_an_effect_is_what_is_above_the_noise() -> None:
    found = population_stability(np.array([5_000, 5_000]), np.array([[51, 49], [80, 20]]))
    assert found.excess()[0] == 0
    assert found.excess()[1] == pytest.approx(found.size[1] - found.noise[1])
