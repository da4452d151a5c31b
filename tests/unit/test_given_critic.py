"""One critic for many policies: trained by one run, taken by others."""

import dataclasses

import pytest
import torch

from gtp_mini import load
from gtp_mini.agents import make_agent, method_config
from gtp_mini.cli import main
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.fitting import fit_agent
from gtp_mini.records import Run
from gtp_mini.returns import n_step_returns
from gtp_mini.training import TrainConfig, train

TINY = {"width": 8, "depth": 1}
SHORT = {"steps": 40, "batch_size": 16, "log_every": 10, "checkpoint_every": 20}


@pytest.fixture
def teacher(multigoal, tmp_path):
    folder = tmp_path / "iql"
    return train(TrainConfig("multigoal", "iql", settings=TINY, **SHORT), folder, progress=False)


def pupil(teacher, folder, method="gtp-sd", resume=False, **options):
    config = TrainConfig("multigoal", method, settings={"width": 12, "depth": 2} | options.pop("settings", {}),
                         critic=str(teacher.path), **SHORT | options)
    return train(config, folder, resume=resume, progress=False)


def test_a_taken_critic_stays_as_it_is_and_its_advantages_weight_the_actor(teacher, tmp_path):
    run, values = pupil(teacher, tmp_path / "run"), load(teacher.path / "critic.safetensors")
    assert not (run.path / "critic.safetensors").exists() and "loss_critic" not in run.metrics()
    state, _ = run.load_state()
    for name, tensor in values.state_dict().items():
        assert torch.equal(state[f"agent/values.{name}"], tensor)
    data = load_transitions("gtp/multigoal-v0")
    agent = make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **TINY))
    agent.take_values(values)
    advantage = values.advantages({"obs": data.obs, "action": data.action}, rows=100)
    batch = {"obs": data.obs[:64], "action": data.action[:64], "advantage": advantage[:64]}
    metrics = agent.update(batch, 0, torch.Generator().manual_seed(0))
    weights = (10 * advantage[:64]).exp().clamp(max=100)  # the method's own rule
    assert metrics["effective_sample_size"].item() == pytest.approx(
        (weights.sum() ** 2 / (64 * (weights**2).sum())).item(), rel=1e-4)
    with torch.no_grad():
        q = values.target_critic(data.obs, data.action).amin(0)
        assert torch.allclose(advantage, q - values.value(data.obs), atol=1e-6)


def test_a_stopped_run_goes_on_to_the_same_bits(teacher, tmp_path, monkeypatch):
    whole = pupil(teacher, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("gtp_mini.training.loop.check_tensors", _stop_at_40)
        pupil(teacher, tmp_path / "cut")
    cut = pupil(teacher, tmp_path / "cut", resume=True)
    for name in ("model.safetensors", "state/checkpoint.safetensors"):
        assert (whole.path / name).read_bytes() == (cut.path / name).read_bytes()


def _stop_at_40(tensors, step, kept=""):
    if step == 40:
        raise KeyboardInterrupt


def test_the_critic_of_an_agent_with_choice_is_the_one_it_took(teacher, tmp_path):
    run = pupil(teacher, tmp_path / "run", "idql", settings={"test_candidates": 4})
    chooser, values = load(run.path / "model.safetensors"), load(teacher.path / "critic.safetensors")
    for name, tensor in chooser.critic.state_dict().items():
        assert torch.equal(tensor, values.target_critic.state_dict()[name])


def test_what_cannot_be_taken_is_refused_before_anything_is_written(teacher, multigoal, tmp_path):
    with pytest.raises(ValueError, match="asks no critic"):
        pupil(teacher, tmp_path / "clone", "gtp-bc")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        pupil(Run(tmp_path / "nowhere"), tmp_path / "a")
    clone = train(TrainConfig("multigoal", "gtp-bc", settings=TINY, **SHORT), tmp_path / "bc", progress=False)
    with pytest.raises(FileNotFoundError, match=r"no critic.safetensors: train there a method that learns values"):
        pupil(clone, tmp_path / "b")
    follower = train(TrainConfig("multigoal", "gtp", settings=TINY, **SHORT), tmp_path / "gtp", progress=False)
    with pytest.raises(ValueError, match="needs a V of its own: train it with value=expectile"):
        pupil(follower, tmp_path / "c")
    other = Run(tmp_path / "other")
    other.write_json("config.json", teacher.config | {"dataset": "gtp/pointmaze-v0"})
    with pytest.raises(ValueError, match=r"was trained on gtp/pointmaze-v0 \(.*, this run is on gtp/multigoal-v0 \("):
        pupil(other, tmp_path / "d")
    assert not any((tmp_path / name).exists() for name in ("clone", "a", "b", "c", "d"))


def test_the_command_line_takes_a_critic(teacher, tmp_path, monkeypatch):
    arguments = ["gtp-mini", "train", "multigoal", "--method", "gtp-sd", "--steps", "20", "--set", "width=8",
                 "--log-every", "10", "--checkpoint-every", "10", "--critic", str(teacher.path),
                 "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit, match="0"):
        main()
    assert Run(tmp_path / "run").config["critic"] == str(teacher.path)


# ---- n-step returns, in the loop and in fit_agent

def test_training_on_n_step_returns_is_training_on_transformed_data(multigoal, tmp_path):
    """The run's critic is bit for bit that of the same updates on data that were transformed by hand."""
    settings = TINY | {"n_step": 5, "gamma": 0.9}
    run = train(TrainConfig("multigoal", "iql", settings=settings, **SHORT), tmp_path / "run", progress=False)
    found = load_transitions("gtp/multigoal-v0")
    data = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    data = {name: data[name] for name in ("obs", "action", "next_obs", "terminal", "episode")} | {
        "reward": found.reward - 1}
    by_hand = n_step_returns(data, 5, 0.9)
    del by_hand["episode"]
    wanted = fit_agent(by_hand, "iql", 40, 0, 16, **TINY | {"gamma": 0.9})
    values = load(run.path / "critic.safetensors").state_dict()
    assert all(torch.equal(values[name], tensor) for name, tensor in wanted.values.state_dict().items())
    same = fit_agent(data, "iql", 40, 0, 16, **settings)
    assert all(torch.equal(values[name], tensor) for name, tensor in same.values.state_dict().items())
    one = fit_agent(data, "iql", 40, 0, 16, **TINY | {"gamma": 0.9})
    assert not torch.equal(one.values.value.network[0].weight, same.values.value.network[0].weight)


def test_n_step_needs_episodes_and_unshifted_rewards():
    nowhere = torch.zeros(8, 1)
    data = {"obs": nowhere, "next_obs": nowhere, "action": nowhere, "reward": torch.ones(8), "terminal": torch.ones(8)}
    with pytest.raises(ValueError, match="n_step = 3 needs the column episode"):
        fit_agent(data, "iql", 1, n_step=3, **TINY)
    with pytest.raises(ValueError, match="shift the rewards of the data instead, got -1.0"):
        method_config("iql", n_step=3, reward_offset=-1.0)
    with pytest.raises(ValueError, match="n_step must be between 1 and 1000, got 0"):
        method_config("iql", n_step=0)


@pytest.mark.parametrize("normalise", [True, False])
def test_normalised_weights_do_not_care_for_the_level_of_the_advantages(teacher, normalise):
    """exp(eta (A + b)) is a factor on all weights. Where they are normalised the update does not see it; where not,
    the weighted term of the loss grows over the other."""
    data = load_transitions("gtp/multigoal-v0")
    found = []
    for offset in (0.0, 2.0):
        torch.manual_seed(0)
        config = method_config("gtp-sd", weight_rule="exponential", eta=1.0, normalise_weights=normalise, **TINY)
        agent = make_agent("gtp-sd", 2, 2, 10, config)
        agent.take_values(load(teacher.path / "critic.safetensors"))
        advantage = torch.linspace(-1, 1, 64) + offset
        agent.update({"obs": data.obs[:64], "action": data.action[:64], "advantage": advantage}, 0,
                     torch.Generator().manual_seed(0))
        found.append(torch.cat([p.flatten() for p in agent.actor.parameters()]))
    assert torch.allclose(*found, atol=1e-6) == normalise


def drawing(**settings):
    return {"draw_by_weight": True, "eta": 2.0, "weight_rule": "exponential"} | settings


def test_rows_are_drawn_as_often_as_their_weights_say():
    from gtp_mini.training.loop import _batches

    rows = torch.arange(4.0)[:, None]
    chances = torch.tensor([1.0, 0.0, 3.0, 6.0])
    draw = _batches({"action": rows}, [], [chances, chances.flip(0)], 20_000)
    one = draw(torch.Generator().manual_seed(0))
    assert set(one) == {"action"}
    counts = torch.bincount(one["action"][:, 0].long(), minlength=4) / 20_000
    assert torch.allclose(counts, chances / 10, atol=0.01) and counts[1] == 0
    both = draw([torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)])["action"]
    assert torch.equal(both[0], one["action"])  # a member's stream is its own
    counts = torch.bincount(both[1, :, 0].long(), minlength=4) / 20_000
    assert torch.allclose(counts, chances.flip(0) / 10, atol=0.01)


def test_chances_are_the_rules_weights_and_rows_that_were_drawn_count_alike(teacher):
    data = load_transitions("gtp/multigoal-v0")
    agent = make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **TINY, **drawing()))
    agent.take_values(load(teacher.path / "critic.safetensors"))
    advantage = agent.values.advantages({"obs": data.obs, "action": data.action})
    chances = agent.chances(advantage, data.obs)
    assert torch.allclose(chances, (2.0 * advantage).exp().clamp(max=100))
    metrics = agent.update({"obs": data.obs[:64], "action": data.action[:64]}, 0, torch.Generator().manual_seed(0))
    assert "effective_sample_size" not in metrics  # rows that were drawn count alike
    weighing = make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **TINY, eta=2.0))
    assert weighing.chances(advantage, data.obs) is None


def test_places_keep_their_share_of_the_rows_that_are_drawn(teacher):
    data = load_transitions("gtp/multigoal-v0")
    settings = TINY | drawing(place_side=0.5, position_dims=2)
    agent = make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **settings))
    agent.take_values(load(teacher.path / "critic.safetensors"))
    chances = agent.chances(agent.values.advantages({"obs": data.obs, "action": data.action}), data.obs)
    here = (data.obs[0] / 0.5).floor() == (data.obs / 0.5).floor()
    assert 1 < here.all(1).sum() < len(data) and chances.std() > 0
    assert torch.isclose(chances[here.all(1)].mean(), torch.tensor(1.0), atol=1e-4)
    alike = make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **settings, place_power=0.0))
    alike.take_values(agent.values)
    chances = alike.chances(agent.values.advantages({"obs": data.obs, "action": data.action}), data.obs)
    assert torch.isclose(chances[here.all(1)].sum(), torch.tensor(1.0), atol=1e-4)
    with pytest.raises(ValueError, match="place_side is for rows that are drawn by weight: .* got 0.5"):
        method_config("gtp-sd", place_side=0.5, eta=1.0)
    with pytest.raises(ValueError, match="place_side needs observations that begin with a position"):
        make_agent("gtp-sd", 2, 2, 10, method_config("gtp-sd", **settings | {"position_dims": 0}))
    with pytest.raises(ValueError, match="place_power needs a place_side"):
        method_config("gtp-sd", **drawing(place_power=0.5))
    for name, bad in (("place_side", -1.0), ("place_power", 2.0)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            method_config("gtp-sd", **{name: bad})


def test_drawing_by_weight_goes_on_to_the_same_bits(teacher, tmp_path, monkeypatch):
    whole = pupil(teacher, tmp_path / "whole", settings=drawing())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("gtp_mini.training.loop.check_tensors", _stop_at_40)
        pupil(teacher, tmp_path / "cut", settings=drawing())
    cut = pupil(teacher, tmp_path / "cut", settings=drawing(), resume=True)
    assert (whole.path / "model.safetensors").read_bytes() == (cut.path / "model.safetensors").read_bytes()
    weighing = pupil(teacher, tmp_path / "weighing", settings=drawing(draw_by_weight=False))
    assert (whole.path / "model.safetensors").read_bytes() != (weighing.path / "model.safetensors").read_bytes()


def test_drawing_by_weight_needs_a_critic_and_one_temperature(multigoal, tmp_path):
    with pytest.raises(ValueError, match="give --critic or --critic-steps"):
        train(TrainConfig("multigoal", "gtp-sd", settings=TINY | drawing(), **SHORT), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    for wrong in ({"eta": 0.0}, {"eta_conditioned": True}):
        with pytest.raises(ValueError, match="needs an eta above 0"):
            method_config("gtp-sd", **drawing(**wrong))


def test_gains_are_what_the_next_steps_earned_beyond_v():
    """By hand, on two short episodes, the first of which ends at a terminal."""
    from gtp_mini.agents.learner import ValueConfig, ValueLearner

    torch.manual_seed(0)
    values = ValueLearner(1, 1, ValueConfig(value="expectile", n_step=2, gamma=0.9, reward_scale=3.0), **TINY)
    obs = torch.arange(5.0)[:, None]
    data = {"obs": obs, "action": torch.zeros(5, 1), "reward": torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]),
            "next_obs": obs + 1, "terminal": torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]),
            "episode": torch.tensor([0, 0, 0, 1, 1])}
    v = lambda x: values.value(torch.tensor([[float(x)]])).item()  # noqa: E731
    wanted = [3 * (1 + 0.9 * 2) + 0.81 * v(2) - v(0), 3 * (2 + 0.9 * 4) - v(1), 3 * 4 - v(2),
              3 * (8 + 0.9 * 16) + 0.81 * v(5) - v(3), 3 * 16 + 0.9 * v(5) - v(4)]
    for rows in (2, 100):
        assert torch.allclose(values.gains(data, rows), torch.tensor(wanted), atol=1e-5)


def test_a_pupil_can_be_weighted_by_gains(teacher, tmp_path):
    by_q, by_gain = (pupil(teacher, tmp_path / name, settings={"advantage": name}) for name in ("critic", "return"))
    assert (by_q.path / "model.safetensors").read_bytes() != (by_gain.path / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match="advantage = return needs values that are trained"):
        train(TrainConfig("multigoal", "gtp-sd", settings=TINY | {"advantage": "return"}, **SHORT), tmp_path / "alone",
              progress=False)
    with pytest.raises(ValueError, match="unknown advantage 'luck'; known: critic, return"):
        method_config("gtp-sd", advantage="luck")
