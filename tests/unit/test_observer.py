"""What networks see of observations: their scale, and positions as waves."""

import math

import pytest
import torch
from small_agents import seeded

from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.critics import QEnsemble, ValueNet
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.networks import WAVELENGTHS, Observer, mlp

MAKERS = {
    "flow map": lambda **more: FlowMap(FlowMapConfig(2, 3, width=8, **more)),
    "gaussian": lambda **more: GaussianPolicy(GaussianPolicyConfig(2, 3, width=8, **more)),
    "critic": lambda **more: QEnsemble(3, 2, width=8, **more),
    "value": lambda **more: ValueNet(3, width=8, **more),
}


def observations(n: int = 50) -> torch.Tensor:
    return torch.randn(n, 3, generator=seeded(0)) * torch.tensor([10.0, 10.0, 0.1]) + 4


def test_positions_are_sines_and_cosines_of_the_wavelengths():
    observer, obs = Observer(3, position_dims=2), observations()
    observer.set_observation_scale(obs)
    seen = observer.see(obs)
    assert seen.shape == (50, observer.seen_dim) == (50, 3 + 4 * len(WAVELENGTHS))
    torch.testing.assert_close(seen[:, :3], (obs - obs.mean(0)) / obs.std(0))
    at = 3
    for wave in (math.sin, math.cos):
        for which in range(2):
            for length in WAVELENGTHS:
                wanted = torch.tensor([wave(2 * math.pi * x / length) for x in obs[:, which].tolist()])
                torch.testing.assert_close(seen[:, at], wanted, rtol=0, atol=1e-4)
                at += 1


def test_waves_repeat_with_the_longest_and_know_nothing_else():
    """The shift by the longest wavelength changes no wave; the third entry never does."""
    observer, obs = Observer(3, position_dims=2), observations()
    shifted = obs + torch.tensor([WAVELENGTHS[0], -WAVELENGTHS[0], 0.3])
    torch.testing.assert_close(observer.see(obs)[:, 3:], observer.see(shifted)[:, 3:], rtol=0, atol=1e-4)
    assert not torch.allclose(observer.see(obs)[:, 3:], observer.see(obs + 0.5)[:, 3:], atol=0.1)


def test_without_positions_nothing_is_added():
    obs, plain = observations(), Observer(3)
    assert torch.equal(plain.see(obs), obs) and plain.seen_dim == 3


def test_the_wave_numbers_are_no_weights():
    assert set(Observer(3, 2).state_dict()) == {"obs_mean", "obs_std"}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_network_takes_them(kind):
    torch.manual_seed(0)
    network, obs, action = MAKERS[kind](position_dims=2), observations(), torch.zeros(50, 2)
    network.set_observation_scale(obs)
    call = {"flow map": lambda o: network.denoise(action, 1.0, o), "gaussian": lambda o: network(o)[0],
            "critic": lambda o: network(o, action)[0], "value": network}[kind]
    here, there = call(obs), call(obs + torch.tensor([1.0, 0, 0]))
    assert here.shape == there.shape and not torch.allclose(here, there)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("dims", [4, -1])
def test_more_positions_than_entries_are_refused(kind, dims):
    with pytest.raises(ValueError, match=f"between 0 and the size of an observation \\(3\\), got {dims}"):
        MAKERS[kind](position_dims=dims)


def test_what_changes_within_metres_of_a_large_place_is_learned_with_them_alone():
    """The purpose: a wall every four metres over 32 metres, 300 updates. Plain inputs miss nine tenths of it."""
    left = {}
    for dims in (0, 1):
        torch.manual_seed(0)
        observer = Observer(1, dims)
        x = 32 * torch.rand(2000, 1, generator=seeded(1)) - 16
        y = torch.sin(2 * math.pi * x / 4)
        observer.set_observation_scale(x)
        net = mlp([observer.seen_dim, 64, 64, 1])
        optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
        for _ in range(300):
            loss = (net(observer.see(x)) - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        left[dims] = loss.item() / y.square().mean().item()
    assert left[0] > 0.9 and left[1] < 0.01
