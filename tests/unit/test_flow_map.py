"""The model: what holds by construction for any network, its sampling, and what it refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini import samplers
from gtp_mini.critics import QEnsemble
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.networks import TimeFeatures, mlp
from gtp_mini.times import sampling_times


def model(seed=0, obs_dim=0, **config):
    torch.manual_seed(seed)
    return FlowMap(FlowMapConfig(action_dim=3, obs_dim=obs_dim, width=16, depth=2, **config))


def points(n, dim=3, scale=1.0, seed=0):
    return scale * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 20), st.floats(1e-3, 80), st.floats(0, 1))
def test_boundaries_hold_for_any_network(seed, t, share):
    net, x = model(seed), points(4, scale=t)
    s = share * t
    with torch.no_grad():
        assert torch.equal(net(x, t, t), x)
        assert torch.equal(net(x, t, 0.0), net.phi(x, t, 0.0))
        phi = net.phi(x, t, s)
        torch.testing.assert_close(net(x, t, s), s / t * x + (1 - s / t) * phi, rtol=1e-4, atol=1e-5 * max(t, 1))
        assert torch.equal(net.denoise(x, t), net.phi(x, t, t))
        torch.testing.assert_close(net.velocity(x, t), (x - net.denoise(x, t)) / t)


def test_without_noise_the_map_stands_still_and_the_denoiser_is_the_identity():
    net, x = model(), points(4)
    with torch.no_grad():
        assert torch.equal(net(x, 0.0, 0.0), x) and torch.equal(net.denoise(x, 0.0), x)


def test_endpoint_is_preconditioned_as_edm():
    """c_skip x + c_out F(c_in x, ln t / 4, ln s / 4), Karras et al. (2022), Table 1."""
    net, sd, t, s = model(sigma_data=0.7), 0.7, 3.0, 0.4
    x, ones = points(5, scale=3.0), torch.ones(5)
    total = t**2 + sd**2
    inputs = [x / total**0.5, net.time_features(t * ones), net.time_features(s * ones)]
    network = net.network(torch.cat(inputs, 1))
    torch.testing.assert_close(net.phi(x, t, s), sd**2 / total * x + t * sd / total**0.5 * network)


def test_time_features_are_waves_in_the_logarithm():
    features = TimeFeatures(8, floor=0.002)
    t = torch.tensor([0.0, 0.5, 80.0])
    wave = features(t)
    angle = 0.25 * torch.log(t + 0.002)
    for i, frequency in enumerate(features.frequencies):
        torch.testing.assert_close(wave[:, i], (frequency * angle).sin())
        torch.testing.assert_close(wave[:, i + 4], (frequency * angle).cos())


def test_t_and_s_are_told_apart():
    net, x = model(), points(4)
    with torch.no_grad():
        assert not torch.allclose(net.phi(x, 2.0, 0.5), net.phi(x, 2.0, 1.0))
        assert not torch.allclose(net.phi(x, 2.0, 0.5), net.phi(x, 0.5, 2.0))


def test_times_are_numbers_or_one_a_row():
    net, x = model(), points(3)
    t, s = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.5, 0.0, 1.0])
    with torch.no_grad():
        rows = torch.cat([net(x[i : i + 1], t[i].item(), s[i]) for i in range(3)])
        torch.testing.assert_close(net(x, t, s), rows)


# -- sampling ---------------------------------------------------------------------------------------------------


def test_one_step_is_one_jump_from_noise():
    net = model(sigma_max=10.0)
    noise = 10.0 * torch.randn(6, 3, generator=torch.Generator().manual_seed(5))
    x = net.sample(6, steps=1, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(x, net(noise, 10.0, 0.0))


def test_samples_are_jumps_through_the_sampling_times():
    net = model(sigma_max=10.0)
    times = sampling_times(4, sigma_max=10.0)
    path = net.sample(6, steps=4, generator=torch.Generator().manual_seed(5), return_path=True)
    assert path.shape == (5, 6, 3)
    with torch.no_grad():
        for k in range(4):
            torch.testing.assert_close(path[k + 1], net(path[k], times[k], times[k + 1]))
    assert torch.equal(path[-1], net.sample(6, steps=4, generator=torch.Generator().manual_seed(5)))
    assert not torch.equal(path[-1], net.sample(6, steps=4, generator=torch.Generator().manual_seed(6)))


def test_noise_scale_and_sampler_are_used():
    net = model()
    full = net.sample(6, steps=3, generator=torch.Generator().manual_seed(5), return_path=True)
    less = net.sample(6, steps=3, generator=torch.Generator().manual_seed(5), return_path=True, noise_scale=0.25)
    torch.testing.assert_close(less[0], 0.25 * full[0])
    assert not torch.allclose(less[-1], full[-1])
    euler = net.sample(6, steps=3, generator=torch.Generator().manual_seed(5), sampler=samplers.euler)
    with torch.no_grad():
        torch.testing.assert_close(euler, samplers.euler(net, full[0], sampling_times(3)))


def test_start_has_the_spread_of_the_noise():
    start = model(sigma_max=7.0).sample(20_000, steps=1, return_path=True, generator=torch.Generator().manual_seed(0))
    assert start[0].std().item() == pytest.approx(7.0, rel=0.02)


def test_sampling_takes_no_gradient():
    assert not model().sample(2, steps=1).requires_grad


# -- conditions -------------------------------------------------------------------------------------------------


def test_condition_is_normalised():
    net, data, x = model(obs_dim=2), 5 + 3 * points(500, 2), points(4)
    net.set_observation_scale(data)
    torch.testing.assert_close(net.obs_mean, data.mean(0))
    torch.testing.assert_close(net.obs_std, data.std(0))
    plain = model(obs_dim=2)
    with torch.no_grad():
        scaled = (data[:4] - data.mean(0)) / data.std(0)
        torch.testing.assert_close(net(x, 2.0, 0.5, data[:4]), plain(x, 2.0, 0.5, scaled))
        assert not torch.allclose(net(x, 2.0, 0.5, data[:4]), net(x, 2.0, 0.5, data[4:8]))


@pytest.mark.parametrize("make", [lambda: model(obs_dim=3), lambda: QEnsemble(3, 2, width=4, depth=1)])
def test_what_does_not_vary_keeps_its_scale(make):
    """A constant has no spread to divide by, whatever rounding says, nor has a single observation."""
    data = points(1000, 3)
    data[:, 0], data[:, 1] = 1234.567, 0.0
    net = make()
    net.set_observation_scale(data)
    assert net.obs_std[:2].tolist() == [1.0, 1.0] and net.obs_std[2] == data[:, 2].std()
    net.set_observation_scale(data[:1])
    assert net.obs_std.tolist() == [1.0, 1.0, 1.0]


def test_as_many_samples_as_observations():
    net = model(obs_dim=2)
    assert net.sample(obs=points(5, 2)).shape == (5, 3)
    with pytest.raises(ValueError, match="one row per sample: 5 rows for n = 4"):
        net.sample(4, obs=points(5, 2))


@pytest.mark.parametrize("call, message", [
    (lambda net, x: net(x, 1.0, 0.0), r"needs obs of shape \(4, 2\), got none"),
    (lambda net, x: net(x, 1.0, 0.0, points(3, 2)), r"needs obs of shape \(4, 2\), got \(3, 2\)"),
    (lambda net, x: net(x, 1.0, 0.0, points(4, 5)), r"needs obs of shape \(4, 2\), got \(4, 5\)"),
    (lambda net, x: net.sample(4), r"needs obs of shape \(4, 2\), got none"),
    (lambda net, x: net.sample(), "n must be at least 1, got None"),
    (lambda net, x: net.sample(0, obs=points(0, 2)), "n must be at least 1, got 0"),
    (lambda net, x: net.sample(obs=points(4, 2), steps=0), "between 1 and 64, got 0"),
])
def test_a_conditional_model_says_what_it_needs(call, message):
    with pytest.raises(ValueError, match=message):
        call(model(obs_dim=2), points(4))


def test_an_unconditional_model_refuses_a_condition():
    with pytest.raises(ValueError, match=r"unconditional, leave obs out; got obs of shape \(4, 2\)"):
        model().sample(obs=points(4, 2))


@pytest.mark.parametrize("setting, message", [
    ({"width": 0}, "width must be positive, got 0"),
    ({"depth": -1}, "depth must be positive, got -1"),
    ({"sigma_data": 0.0}, "sigma_data must be positive, got 0.0"),
    ({"sigma_min": 0.0}, "sigma_min must be positive"),
    ({"sigma_max": 0.001}, r"sigma_max must be above sigma_min \(0.002\), got 0.001"),
    ({"obs_dim": -2}, "obs_dim must be 0 or more, got -2"),
    ({"activation": "tanh"}, "unknown activation 'tanh'; known: silu, mish, relu"),
])
def test_impossible_shapes_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        FlowMapConfig(**{"action_dim": 2} | setting)


def test_mlp_ends_without_an_activation():
    layers = mlp([2, 5, 5, 1], "relu")
    assert [type(layer).__name__ for layer in layers] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
