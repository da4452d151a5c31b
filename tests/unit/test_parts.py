"""One update, computed in several ways: plainly, compiled, for many agents at once. All are the same update."""

from functools import partial

import pytest
import torch
from small_agents import CLONES, GUIDED, agent, batch, seeded

from gtp_mini.agents.parts import Traced, compute_by, stack, unstacked
from gtp_mini.draws import Listener, Tape, integers, normal, uniform

MEMBERS, UPDATES = 3, 4
VARIANTS = [("gtp", {"eta_conditioned": True}), ("gtp", {"u": "window", "solver_steps": 2}),
            ("gtp", {"target_candidates": 3, "value_samples": 2, "q_weight": 1.0}),
            ("gtp", {"ema_teacher": True, "clip": 0.01}), ("gtp-sd", {"pessimism": 1.0, "critic_heads": 3}),
            ("gtp-sd-bc", {"distillation": "lagrangian"}), ("gtp-sd-bc", {"distillation": "eulerian"})]


def alone(member, method, **settings):
    """A member's agent after some updates, its last metrics and its generator."""
    a, generator = agent(method, seed=member, **settings), seeded(member)
    for i in range(UPDATES):
        metrics = a.update(batch(10 * i + member), i, generator)
    return a, metrics, generator


def together(method, settings, compiled=False):
    """The same for all members, as one stack; settings: one dict for each."""
    a = stack([agent(method, seed=member, **own) for member, own in enumerate(settings)], compiled)
    generators = [seeded(member) for member in range(len(settings))]
    for i in range(UPDATES):
        batches = [batch(10 * i + member) for member in range(len(settings))]
        metrics = a.update({name: torch.stack([b[name] for b in batches]) for name in batches[0]}, i, generators)
    return a, metrics, generators


def assert_members(found, settings, method, atol=2e-6):
    a, metrics, generators = found
    for member, own in enumerate(settings):
        expected, expected_metrics, generator = alone(member, method, **own)
        assert torch.equal(generators[member].get_state(), generator.get_state())
        mine = unstacked(a, member)
        for (name, ours), (_, theirs) in zip(mine.state_dict().items(), expected.state_dict().items(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}")
        assert metrics.keys() == expected_metrics.keys()
        for name, value in metrics.items():
            value = value[member] if value.ndim else value
            torch.testing.assert_close(value, expected_metrics[name], rtol=1e-4, atol=1e-5,
                                       msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.filterwarnings("error:There is a performance drop")  # vmap's warning of a loop over the members
@pytest.mark.parametrize(("method", "settings"), [(name, {}) for name in CLONES + GUIDED] + VARIANTS)
def test_each_member_of_a_stack_is_the_agent_trained_alone(method, settings):
    found = together(method, [settings] * MEMBERS)
    assert_members(found, [settings] * MEMBERS, method)
    assert not torch.equal(*(unstacked(found[0], i).actor.network[0].weight for i in (0, 1)))


@pytest.mark.parametrize("method", ["gtp", "iql"])
def test_members_may_differ_in_eta(method):
    settings = [{"eta": eta, "normalise_weights": True} for eta in (0.5, 1.0, 6.0)]
    assert_members(together(method, settings), settings, method)


@pytest.mark.parametrize(("one", "other"), [
    ({"clip": 1.0}, {"clip": 2.0}), ({"eta": 0.0}, {"eta": 1.0}),
    ({"eta": 1.0, "eta_conditioned": True}, {"eta": 2.0, "eta_conditioned": True})])
def test_members_that_differ_otherwise_are_refused(one, other):
    with pytest.raises(ValueError, match="may differ in eta alone"):
        stack([agent("gtp", **one), agent("gtp", **other)])


def test_a_stack_of_agents_on_their_way_goes_on_where_each_was():
    """Networks, moving averages and the optimisers' moments."""
    agents = [alone(member, "gtp")[0] for member in range(MEMBERS)]
    generators = [seeded(50 + member) for member in range(MEMBERS)]
    batches = [batch(90 + member) for member in range(MEMBERS)]
    whole = stack(agents)
    whole.update({name: torch.stack([b[name] for b in batches]) for name in batches[0]}, UPDATES, generators)
    for member in range(MEMBERS):
        expected = alone(member, "gtp")[0]
        expected.update(batches[member], UPDATES, seeded(50 + member))
        for name, value in expected.state_tensors().items():
            ours = whole.state_tensors()[name]
            torch.testing.assert_close(ours[member] if ours.ndim else ours, value, rtol=0, atol=2e-6)


def test_the_clip_of_one_member_leaves_the_others_alone():
    """A member whose gradient is huge is clipped; one whose gradient is small is not."""
    agents = [agent("gaussian-bc", seed=0, clip=1.0) for _ in range(2)]
    small, huge = batch(0), batch(0) | {"action": 1e4 * batch(0)["action"]}
    both = stack(agents)
    metrics = both.update({name: torch.stack([small[name], huge[name]]) for name in small}, 0, [seeded(0), seeded(0)])
    first, second = metrics["grad_actor"].tolist()
    single = agent("gaussian-bc", seed=0, clip=1.0)
    assert single.update(small, 0, seeded(0))["grad_actor"].item() == pytest.approx(first, rel=1e-5)
    assert second > 100 * first
    assert torch.allclose(unstacked(both, 0).actor.network[0].weight, single.actor.network[0].weight, atol=1e-7)


def test_compiled_it_is_the_same_update():
    a, expected, generators = agent("gtp-sd-bc"), agent("gtp-sd-bc"), (seeded(0), seeded(0))
    compute_by(a, Traced(compiled=True))
    for i in range(UPDATES):
        ours, theirs = a.update(batch(i), i, generators[0]), expected.update(batch(i), i, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(a.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_compiled_stack_is_the_same_too():
    assert_members(together("gtp", [{"depth": 1}] * 2, compiled=True), [{"depth": 1}] * 2, "gtp", atol=1e-4)


@pytest.mark.parametrize(("method", "settings"), [(name, {}) for name in CLONES + GUIDED] + VARIANTS)
def test_every_method_can_be_traced_whole(method, settings, monkeypatch):
    """As torch.compile needs it, without the time that a compiler takes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    a, expected, generators = agent(method, **settings), agent(method, **settings), (seeded(0), seeded(0))
    compute_by(a, Traced(compiled=True))
    for i in range(2):
        ours, theirs = a.update(batch(i), i, generators[0]), expected.update(batch(i), i, generators[1])
    assert ours.keys() == theirs.keys() and torch.equal(generators[0].get_state(), generators[1].get_state())
    for name, value in a.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=0, atol=1e-6)


def test_a_tape_gives_what_its_generator_would_have_given():
    def draw(source):
        return (normal((4, 2), source), uniform((3,), source), integers(7, (5,), source),
                normal((2,), source, dtype=torch.float64))

    listener = Listener(torch.device("cpu"))
    draw(listener)
    generator = seeded(3)
    tape = Tape([request.draw(generator, generator.device) for request in listener.requests])
    for ours, theirs in zip(draw(tape), draw(seeded(3)), strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    with pytest.raises(IndexError):
        normal((1,), tape)
