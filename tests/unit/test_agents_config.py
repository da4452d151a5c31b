"""Configurations: the registry, what papers publish for a task, and settings that cannot be."""

from dataclasses import MISSING, fields, replace

import pytest
from small_agents import CLONES, GUIDED, agent, batch, seeded

from gtp_mini.agents import METHODS, method_config
from gtp_mini.agents.base import ANTMAZE
from gtp_mini.agents.gtp import GTPConfig
from gtp_mini.datasets.tasks import TASKS

EVERY = [(name, field.name) for name, method in METHODS.items() for field in fields(method.config)
         if isinstance(field.default, int | float) and not isinstance(field.default, bool)]
MAY_BE_NEGATIVE = {"reward_offset"}


# -- the registry -----------------------------------------------------------------------------------------------------


def test_every_method_says_what_it_is():
    for name, method in METHODS.items():
        assert 10 < len(method.description) < 90 and "\n" not in method.description
        assert all(field.default is not MISSING for field in fields(method.config)), name
    assert len({method.description for method in METHODS.values()}) == len(METHODS)


def test_what_learns_from_rewards_names_its_clone():
    for name in GUIDED:
        assert METHODS[name].clone in CLONES
    assert all(METHODS[name].clone is None for name in CLONES)


def test_settings_of_tasks_are_settings_of_tasks():
    assert set(ANTMAZE) == {name for name in TASKS if name.startswith("antmaze")}
    for name, method in METHODS.items():
        assert set(method.per_task) <= set(TASKS), name
        for settings in method.per_task.values():
            method_config(name, **settings)


@pytest.mark.parametrize("method, task, expected", [
    ("diffusion-ql", "antmaze-umaze", (0.5, 2.0, 3e-4, 1)),  # q_weight, clip, lr, target_candidates
    ("diffusion-ql", "antmaze-umaze-diverse", (2.0, 3.0, 3e-4, 10)),
    ("diffusion-ql", "antmaze-medium-play", (2.0, 2.0, 1e-3, 10)),
    ("diffusion-ql", "antmaze-medium-diverse", (3.0, 1.0, 3e-4, 10)),
    ("diffusion-ql", "antmaze-large-play", (4.5, 10.0, 3e-4, 10)),
    ("diffusion-ql", "antmaze-large-diverse", (3.5, 7.0, 3e-4, 10)),
    ("consistency-ac", "antmaze-umaze", (0.01, 2.0, 3e-4, 1)),
    ("consistency-ac", "antmaze-umaze-diverse", (0.01, 3.0, 3e-4, 10)),
    ("consistency-ac", "antmaze-medium-play", (0.01, 2.0, 1e-3, 10)),
    ("consistency-ac", "antmaze-medium-diverse", (0.01, 1.0, 3e-4, 10)),
    ("consistency-ac", "antmaze-large-play", (4.5, 10.0, 3e-4, 10)),
    ("consistency-ac", "antmaze-large-diverse", (3.5, 2.0, 3e-4, 10)),
])
def test_the_published_table_of_the_q_gradients(method, task, expected):
    c = method_config(method, **METHODS[method].per_task[task])
    assert (c.q_weight, c.clip, c.lr, c.target_candidates) == expected
    for r in (0.0, 1.0):  # the task's reward is r - 1, theirs 4 (r - 1/2)
        assert c.reward_scale * (r + TASKS[task].reward_shift) + c.reward_offset == 4 * (r - 0.5)


def test_the_other_published_settings():
    for task in ANTMAZE:
        iql, idql = (method_config(m, **METHODS[m].per_task[task]) for m in ("iql", "idql"))
        assert (iql.eta, iql.expectile, iql.weight_cap, idql.expectile) == (10.0, 0.9, 100.0, 0.9)
        assert METHODS["fql"].per_task.get(task, {}).get("alpha", 10.0) == (3.0 if "large" in task else 10.0)
    iql, idql = METHODS["iql"].config, METHODS["idql"].config
    assert (iql.eta, iql.expectile, iql.weight_rule, idql.expectile, idql.test_candidates) == (
        3.0, 0.7, "exponential", 0.7, 64)


# -- numbers that cannot be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, name", EVERY)
def test_absurd_numbers_are_refused_by_name(method, name):
    for value in (float("nan"), float("inf"), -1 if name not in MAY_BE_NEGATIVE else float("-inf")):
        with pytest.raises(ValueError, match=MESSAGE_NAMES.get(name, name)):
            method_config(method, **{name: value})
    for value in ("7", None, True):
        with pytest.raises(ValueError, match=f"{name} must be a"):
            method_config(method, **{name: value})


MESSAGE_NAMES = {"target_steps": "target_steps|sampling steps"}


@pytest.mark.parametrize("method, setting, message", [
    ("no-such", {}, "unknown method 'no-such'; known: gaussian-bc, diffusion, .*gtp, gtp-bc"),
    ("gtp", {"etta": 1}, "method 'gtp' has no setting 'etta'; it has: .*eta, "),
    ("gaussian-bc", {"eta": 1}, "method 'gaussian-bc' has no setting 'eta'"),
    ("gtp", {"eta": -1}, r"eta must be between 0 \(behaviour cloning\) and 100, got -1"),
    ("gtp", {"eta": 101.0}, "eta must be between"),
    ("gtp", {"eta": "hot"}, "eta must be a number, got 'hot'"),
    ("gtp", {"width": 2.5}, "width must be a whole number, got 2.5"),
    ("gtp", {"width": 0}, "width must be positive, got 0"),
    ("gtp", {"layer_norm": "no"}, "layer_norm must be true or false, got 'no'"),
    ("gtp", {"activation": "tanh"}, "unknown activation 'tanh'"),
    ("gtp", {"weight_rule": "softmax"}, "unknown weight_rule 'softmax'; known: truncated"),
    ("gtp", {"gamma": 1.0}, r"gamma must be in \[0, 1\), got 1.0"),
    ("gtp", {"lr": 0}, "lr must be positive, got 0"),
    ("gtp", {"target_steps": 65}, "between 1 and 64, got 65"),
    ("gtp", {"sigma_max": 1e-3}, "sigma_max must be above sigma_min"),
    ("gtp", {"last_intervals": 5}, r"last_intervals must be at least first_intervals \(10\), got 5"),
    ("gtp", {"zero_mass": 1.5}, "zero_mass must be between 0 and 1, got 1.5"),
    ("gtp", {"u": "above"}, "unknown u 'above'; known: adjacent, window, uniform"),
    ("gtp", {"solver_steps": 4}, "solver_steps must be between 0 and 3, got 4"),
    ("gtp", {"ema": -0.1}, "ema must be between 0 and 1"),
    ("gtp", {"flow_weight": -1}, "flow_weight must be 0 or more and finite, got -1"),
    ("gtp", {"weight_cap": 0.5}, "weight_cap must be at least 1"),
    ("gtp", {"value_samples": 0}, r"value_samples must be at least 1 for advantage weights \(eta > 0\), got 0"),
    ("gtp", {"test_candidates": 1025}, "test_candidates must be between 1 and 1024, got 1025"),
    ("gtp-sd", {"distillation": "magic"}, "unknown distillation 'magic'"),
    ("diffusion-ql", {"eta": 1.0}, "value_samples must be at least 1"),
    ("ddpm", {"levels": 0}, "levels must be between 1 and 64, got 0"),
    ("fql", {"flow_steps": 65}, "flow_steps must be between 1 and 64, got 65"),
    ("fql", {"alpha": 0}, "alpha must be positive, got 0"),
    ("dipo-offline", {"action_steps": 0}, "action_steps must be between 1 and 100, got 0"),
    ("iql", {"q_weight": 1.0}, "q_weight and eta_conditioned need a flow map"),
    ("iql", {"eta_conditioned": True}, "q_weight and eta_conditioned need a flow map"),
    ("gaussian-bc", {"depth": 0}, "depth must be positive"),
    ("gaussian-bc", {"activation": "x"}, "unknown activation 'x'"),
])
def test_settings_that_cannot_be_are_refused(method, setting, message):
    with pytest.raises(ValueError, match=message):
        method_config(method, **setting)


def test_a_whole_number_will_do_for_a_number():
    assert method_config("gtp", eta=2) == GTPConfig(eta=2.0)


# -- options that are open to all -------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings, needed", [({"eta": 0.0}, False), ({"eta": 0.0, "q_weight": 0.1}, True), ({}, True),
                                              ({"eta": 0.0, "test_candidates": 4}, True),
                                              ({"eta": 0.0, "eta_conditioned": True}, True)])
def test_there_is_a_critic_where_one_is_asked(settings, needed):
    a = agent("gtp", **settings)
    assert a.needs_values == needed == hasattr(a, "values")
    a.update(batch(), 0, seeded(0))


@pytest.mark.parametrize("method", sorted({*GUIDED} - {"iql"}))
def test_weights_ascent_and_choice_go_together(method):
    a = agent(method, eta=1.0, q_weight=0.1, value_samples=1, test_candidates=3)
    metrics = a.update(batch(), 0, seeded(0))
    assert {"effective_sample_size", "loss_q"} <= set(metrics)


def test_the_teacher_is_the_actor_or_its_average():
    assert agent().teacher is not agent().policy
    a, b = agent(), agent(ema_teacher=True)
    assert a.teacher is a.actor and b.teacher is b.policy


def test_the_curriculum_counts_global_steps():
    a = agent("gtp-bc", steps=800)
    seen = [a.update(batch(), step, seeded(0))["intervals"].item() for step in (0, 99, 100, 799)]
    assert seen == [10, 10, 20, 1280]


def test_configurations_are_frozen():
    with pytest.raises(AttributeError):
        METHODS["gtp"].config.eta = 2.0
    assert replace(METHODS["gtp"].config, eta=0.0) == METHODS["gtp-bc"].config
