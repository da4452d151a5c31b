"""The fast policy is the flow map's own sampler."""

import warnings

import numpy as np
import pytest
import torch

from gtp_mini.acting import ACTIVATIONS, FastPolicy
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.networks import ACTIVATIONS as LAYERS


def model(**settings):
    torch.manual_seed(0)
    config = FlowMapConfig(**{"action_dim": 3, "obs_dim": 4, "width": 16, "sigma_max": 20.0} | settings)
    made = FlowMap(config).double()
    if config.obs_dim:
        made.set_observation_scale(3 + 2 * torch.randn(50, config.obs_dim, dtype=torch.float64))
    for value in made.parameters():  # as a trained one: nothing small by initialisation
        value.data = value.data + 0.2 * torch.randn_like(value)
    return made.float()


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("settings", [
    {}, {"activation": "mish", "depth": 1}, {"activation": "relu"}, {"sampler": "euler"}, {"sampler": "one_jump"},
    {"obs_dim": 0}, {"eta": 1.5}, {"position_dims": 2}, {"position_dims": 4, "eta": 1.5},
    {"clock": "flow-matching", "sampler": "euler"},
], ids=str)
def test_actions_are_those_of_sample(settings, steps):
    policy = model(**settings)
    obs = None if policy.config.obs_dim == 0 else 3 + 2 * torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    wanted = policy.sample(64, obs, steps, torch.Generator().manual_seed(2), noise_scale=0.7)
    noise = torch.randn(64, 3, generator=torch.Generator().manual_seed(2)).numpy()
    found = FastPolicy(policy, steps, noise_scale=0.7)(None if obs is None else obs.numpy(), noise)
    assert found.dtype == np.float32 and found.shape == (64, 3)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=2e-5)


def test_a_model_in_double_precision_is_left_as_it_is():
    policy = model(position_dims=2).double()
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    FastPolicy(policy, 2)
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())


def test_one_row_is_one_row_of_many():
    fast, obs, noise = FastPolicy(model(), 2), np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 3), np.float32)
    np.testing.assert_allclose(fast(obs[2:3], noise[2:3]), fast(obs, noise)[2:3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_torchs_and_silent_at_the_extremes(name):
    x = np.concatenate([np.linspace(-30, 30, 601), [-300.0, 300.0]]).astype(np.float32)
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("error")
        found = ACTIVATIONS[name](x)
    np.testing.assert_allclose(found, LAYERS[name]()(torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-6)
    assert ACTIVATIONS.keys() == LAYERS.keys()


@pytest.mark.parametrize("sampler", ["ddpm", "consistency"])
def test_a_sampler_that_draws_noise_is_refused(sampler):
    with pytest.raises(ValueError, match=f"samples by '{sampler}'"):
        FastPolicy(model(sampler=sampler), 2)


def test_far_out_observations_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(FastPolicy(model(), 2)(1e4 * np.ones((1, 4)), np.zeros((1, 3)))).all()
