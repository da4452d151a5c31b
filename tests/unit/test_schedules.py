"""The learning rate's schedule."""

import math

import pytest
import torch

from gtp_mini.agents import make_agent, method_config
from gtp_mini.fitting import fit_agent

SMALL = {"width": 8, "depth": 1}


@pytest.mark.parametrize(("schedule", "rates"), [
    ("constant", [0.01] * 5),
    ("cosine", [0.01 * (1 + math.cos(math.pi * done)) / 2 for done in (0, 0.2, 0.4, 0.6, 0.8)])])
def test_every_step_is_taken_at_the_rate_of_its_schedule(schedule, rates):
    seen = []
    fit_agent({"action": torch.zeros(4, 2)}, "gtp-bc", 5, batch_size=4, lr=0.01, lr_schedule=schedule, **SMALL,
              callback=lambda step, agent: seen.append(agent.optimizers["actor"].param_groups[0]["lr"]))
    assert seen == pytest.approx(rates)


def test_the_rate_counts_global_steps_so_that_a_resumed_run_goes_on():
    def agent():
        torch.manual_seed(0)
        return make_agent("gtp-bc", 0, 2, 4, method_config("gtp-bc", lr_schedule="cosine", **SMALL))

    def updates(agent, steps, generator):
        for step in steps:
            agent.update({"action": torch.ones(4, 2)}, step, generator)
        return agent

    g, h = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    whole, half = updates(agent(), range(4), g), updates(agent(), range(2), h)
    again = agent()
    again.load_state_tensors({name: value.clone() for name, value in half.state_tensors().items()})
    updates(again, range(2, 4), h)
    for one, two in zip(whole.actor.parameters(), again.actor.parameters(), strict=True):
        assert torch.equal(one, two)


def test_both_networks_of_fql_follow_it():
    data = {"action": torch.zeros(4, 2), "obs": torch.zeros(4, 1), "next_obs": torch.zeros(4, 1),
            "reward": torch.zeros(4), "terminal": torch.ones(4)}
    agent = fit_agent(data, "fql", 2, batch_size=4, lr=0.01, lr_schedule="cosine", **SMALL)
    assert [agent.optimizers[name].param_groups[0]["lr"] for name in ("actor", "flow")] == pytest.approx([0.005] * 2)
    assert agent.optimizers["critic"].param_groups[0]["lr"] == 3e-4


@pytest.mark.parametrize(("method", "networks"), [("iql", ("critic", "value")), ("diffusion-ql", ("critic",))])
def test_values_follow_their_own(method, networks):
    data = {name: torch.zeros(4, 1) for name in ("obs", "next_obs")} | {"action": torch.zeros(4, 2)}
    seen = []
    fit_agent(data | {"reward": torch.zeros(4), "terminal": torch.ones(4)}, method, 2, batch_size=4, lr=0.01,
              lr_schedule="constant", critic_lr=0.02, critic_lr_schedule="cosine", **SMALL, callback=lambda step, agent:
              seen.append([agent.optimizers[name].param_groups[0]["lr"] for name in ("actor", *networks)]))
    assert seen == [pytest.approx([0.01] + [rate] * len(networks)) for rate in (0.02, 0.01)]


@pytest.mark.parametrize("field", ["lr_schedule", "critic_lr_schedule"])
def test_an_unknown_schedule_is_named(field):
    with pytest.raises(ValueError, match=f"unknown {field} 'linear'; known: constant, cosine"):
        method_config("gtp", **{field: "linear"})
