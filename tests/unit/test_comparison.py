"""Statistics of few runs: values worked out by hand, SciPy's, and what must hold for any scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gtp_mini.comparison.statistics import (
    bootstrap_interval,
    improvement_probability,
    interquartile_mean,
    mean_over_tasks,
    student_interval,
)

# coarse, so that ties are common
SCORES = st.lists(st.integers(0, 4).map(lambda n: n / 4), min_size=1, max_size=6).map(np.array)


@st.composite
def two_methods(draw):
    tasks = draw(st.integers(1, 4))
    return [[draw(SCORES) for _ in range(tasks)] for _ in range(2)]


def test_students_interval_by_hand_and_by_scipy():
    low, high = student_interval(np.array([1.0, 2.0, 3.0]))  # mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.3027
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    scores = np.array([0.9, 0.7, 0.95, 0.8, 0.5])
    expected = stats.t.interval(0.95, 4, loc=scores.mean(), scale=stats.sem(scores))
    assert student_interval(scores) == pytest.approx(expected)
    assert student_interval(np.array([0.5])) is None


def test_every_task_counts_the_same_in_the_mean():
    assert mean_over_tasks([np.array([1.0, 1.0, 1.0]), np.array([0.0])]) == 0.5


@given(st.lists(SCORES, min_size=1, max_size=5))
def test_the_interquartile_mean_is_scipys_trimmed_mean(by_task):
    assert interquartile_mean(by_task) == pytest.approx(stats.trim_mean(np.concatenate(by_task), 0.25))


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    by_task = [np.array([0.0, 100.0, 2.0, 4.0]), np.array([3.0, 5.0, -50.0, 6.0])]
    assert interquartile_mean(by_task) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_probability_of_improvement_by_hand():
    x, y = np.array([0.5, 0.9]), np.array([0.5, 0.6, 1.0])
    # 0.5: a tie, two defeats; 0.9: two victories, a defeat
    assert improvement_probability([x], [y]) == pytest.approx((0.5 + 2) / 6)
    assert improvement_probability([x, np.array([1.0])], [y, np.array([0.0])]) == pytest.approx((2.5 / 6 + 1) / 2)


@given(two_methods())
def test_one_of_two_is_better(methods):
    x, y = methods
    forth, back = improvement_probability(x, y), improvement_probability(y, x)
    assert 0 <= forth <= 1 and forth + back == pytest.approx(1)
    assert improvement_probability(x, x) == pytest.approx(0.5)


@given(SCORES, SCORES)
def test_on_one_task_it_is_mann_and_whitneys_u(x, y):
    u = stats.mannwhitneyu(x, y, method="asymptotic").statistic
    assert improvement_probability([x], [y]) == pytest.approx(u / (len(x) * len(y)))


def test_the_bootstrap_is_scipys_on_one_task():
    scores = np.random.default_rng(3).normal(0.6, 0.2, 12)
    expected = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=20_000, rng=0).confidence_interval
    assert bootstrap_interval(mean_over_tasks, [scores]) == pytest.approx(tuple(expected), abs=0.01)
    x, y = scores, scores[:7] + 0.1
    expected = stats.bootstrap((x, y), lambda a, b, axis: improvement_probability([a], [b]), method="percentile",
                               n_resamples=20_000, vectorized=True, rng=0).confidence_interval
    assert bootstrap_interval(improvement_probability, [x], [y]) == pytest.approx(tuple(expected), abs=0.02)


def test_the_bootstrap_draws_within_tasks():
    """Two tasks far apart, runs alike: were runs drawn across tasks, the mean would move."""
    by_task = [np.array([0.1, 0.1, 0.1]), np.array([0.9, 0.9])]
    assert bootstrap_interval(mean_over_tasks, by_task) == pytest.approx((0.5, 0.5))
    assert bootstrap_interval(interquartile_mean, by_task) == pytest.approx([float(interquartile_mean(by_task))] * 2)


def test_the_same_seed_gives_the_same_interval_and_one_run_none():
    by_task = list(np.random.default_rng(0).random((2, 8)))
    assert bootstrap_interval(mean_over_tasks, by_task) == bootstrap_interval(mean_over_tasks, by_task)
    assert bootstrap_interval(mean_over_tasks, by_task) != bootstrap_interval(mean_over_tasks, by_task, seed=1)
    assert bootstrap_interval(mean_over_tasks, [by_task[0], np.array([0.9])]) is None


@given(two_methods())
def test_intervals_lie_within_the_scores(methods):
    for by_task in methods:
        interval = bootstrap_interval(mean_over_tasks, by_task)
        if interval:
            low, high = interval
            assert 0 <= low <= high <= 1
