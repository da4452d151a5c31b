"""What the model takes and what it refuses: points, times, conditions, temperatures, settings."""

from dataclasses import asdict

import pytest
import torch

import gtp_mini
from gtp_mini import samplers
from gtp_mini.clocks import CLOCKS, DDPM
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.networks import LOG_TIME_SCALE
from gtp_mini.samplers import SAMPLERS

A, O = 3, 2  # noqa: E741


def model(obs_dim=0, seed=0, **config):
    torch.manual_seed(seed)
    return FlowMap(FlowMapConfig(A, obs_dim, width=16, depth=2, **config))


def points(n=4, dim=A, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def seeded(seed=5):
    return torch.Generator().manual_seed(seed)


NAN, INF = float("nan"), float("inf")

# -- points and times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x, got", [
    (torch.zeros(4, 2), r"torch.float32 of shape \(4, 2\)"), (torch.zeros(3), r"torch.float32 of shape \(3,\)"),
    (torch.zeros(2, 4, 3), r"torch.float32 of shape \(2, 4, 3\)"), (torch.zeros(()), r"torch.float32 of shape \(\)"),
    (torch.zeros(4, 3, dtype=torch.int64), r"torch.int64 of shape \(4, 3\)"), ([[0.0, 0.0, 0.0]], "list"),
    (None, "NoneType")])
def test_points_of_another_kind_are_refused(x, got):
    net = model()
    for call in (lambda: net(x, 1.0, 0.5), lambda: net.phi(x, 1.0, 0.5), lambda: net.denoise(x, 1.0),
                 lambda: net.velocity(x, 1.0)):
        with pytest.raises(ValueError, match=rf"x must be a float tensor of shape \(B, 3\), got {got}"):
            call()


@pytest.mark.parametrize("times", [torch.ones(3), torch.ones(4, 1), torch.ones(1), torch.ones(2, 2)])
def test_times_are_one_a_row(times):
    net, x = model(), points()
    message = rf"times must be a number or of shape \(4,\), one for each row of x; got shape \({times.shape[0]},"
    for call in (lambda: net(x, times, 0.5), lambda: net(x, 2.0, times), lambda: net.phi(x, times, 0.5),
                 lambda: net.denoise(x, times), lambda: net.velocity(x, times)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("t, s, row", [
    (1.0, 2.0, 0), (1.0, -0.1, 0), (-1.0, -2.0, 0), (INF, 1.0, 0), (NAN, 1.0, 0), (1.0, NAN, 0),
    ([1.0, 1.0, 1.0, 1.0], [0.0, 0.5, 1.5, 0.0], 2), ([1.0, NAN, 1.0, 1.0], 0.5, 1), (2.0, [0.0, 0.0, 0.0, -1e-9], 3)])
def test_times_out_of_order_are_refused_with_their_row(t, s, row):
    net, x = model(), points()
    t, s = (torch.tensor(v) if isinstance(v, list) else v for v in (t, s))
    with pytest.raises(ValueError, match=rf"0 <= s <= t < infinity: .* row {row} has t = "):
        net(x, t, s)


def test_numbers_of_other_kinds_will_do_as_times():
    net, x = model(), points()
    with torch.no_grad():
        same = net(x, 2.0, 0.0)
        for t, s in ((2, 0), (torch.tensor(2), torch.tensor(0.0, dtype=torch.float64)), (torch.full((4,), 2), 0)):
            assert torch.equal(net(x, t, s), same)


def test_another_dtype_of_the_model_is_that_of_its_samples():
    net, x = model().double(), points().double()
    assert net(x, 2.0, torch.zeros(4)).dtype == torch.float64


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting, message", [
    ({"sampler": "leaps"}, "unknown sampler 'leaps'; known: jumps, euler, heun, ddpm, consistency"),
    ({"clock": "sundial"}, "unknown clock 'sundial'; known: edm, ddpm, flow-matching, meanflow"),
    ({"eta": -1.0}, r"eta must be between 0 \(behaviour cloning\) and 100, got -1.0"),
    ({"eta": 101}, "eta must be .* got 101"), ({"eta": NAN}, "eta must be .* got nan"),
    ({"eta": "1"}, "eta must be .* got '1'"), ({"eta": True}, "eta must be .* got True")])
def test_unknown_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        FlowMapConfig(2, **setting)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_configuration_names_the_sampler(name):
    net = model(sampler=name, sigma_max=10.0)
    noise = 10.0 * torch.randn(6, A, generator=seeded())
    with torch.no_grad():
        g = seeded()
        torch.randn(6, A, generator=g)  # the noise comes first, and what the sampler draws after it
        plain = SAMPLERS[name](net, noise, net.config.sampling_times(3), generator=g)
    assert torch.equal(net.sample(6, steps=3, generator=seeded()), plain)


@pytest.mark.parametrize("name", CLOCKS)
def test_the_configuration_names_the_clock_of_its_steps(name):
    config = FlowMapConfig(A, clock=name, sigma_max=12.0)
    assert torch.equal(config.sampling_times(4), CLOCKS[name]().grid(4, config.sigma_min, 12.0))
    path = FlowMap(config).sample(500, steps=4, generator=seeded(), return_path=True)
    assert path[0].std().item() == pytest.approx(12.0, rel=0.1)


def test_rho_is_the_edm_clocks():
    a, b = (FlowMapConfig(A, rho=rho).sampling_times(3) for rho in (7.0, 3.0))
    assert a[0] == b[0] and a[1] < b[1]


def test_five_ancestral_steps_visit_the_levels_of_diffusion_ql():
    config = FlowMapConfig(A, sampler="ddpm", clock="ddpm", sigma_max=DDPM().last)
    levels = torch.tensor([12.45, 4.974, 2.304, 1.139, 0.494, 0.0])
    torch.testing.assert_close(config.sampling_times(5), levels, rtol=5e-4, atol=5e-4)


# -- one network for every temperature ------------------------------------------------------------------------------


@pytest.mark.parametrize("obs_dim", [0, O])
def test_the_temperature_is_the_last_column_of_the_condition(obs_dim):
    net = model(obs_dim, eta=1.5)
    obs = points(4, O) if obs_dim else None
    assert net.config.condition_dim == obs_dim + 1
    for eta, column in ((None, 1.5), (0, 0.0), (3.0, 3.0), (torch.tensor(2.0), 2.0),
                        (torch.arange(4.0), torch.arange(4.0))):
        condition = net.condition(obs, 4, eta)
        assert condition.shape == (4, obs_dim + 1)
        torch.testing.assert_close(condition[:, -1], torch.zeros(4) + column)
        assert obs is None or torch.equal(condition[:, :-1], obs)


def test_phi_reads_one_plus_eta_as_it_reads_a_time_and_normalises_the_rest():
    net, x, obs = model(O, eta=1.0), points(), points(4, O)
    net.set_observation_scale(5 + 3 * points(100, O))
    seen = []
    net.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net.phi(x, 1.0, 0.5, net.condition(obs, 4, 2.5))
    features = net.config.time_dim
    angles = torch.full((4, 1), 3.5).log() * LOG_TIME_SCALE * net.time_features.frequencies
    torch.testing.assert_close(seen[0][:, -features:], torch.cat([angles.sin(), angles.cos()], -1))
    torch.testing.assert_close(seen[0][:, -features - O : -features], (obs - net.obs_mean) / net.obs_std)


@pytest.mark.parametrize("obs_dim", [0, O])
def test_samples_at_a_temperature(obs_dim):
    net = model(obs_dim, eta=1.5)
    obs = points(4, O) if obs_dim else None
    usual, same, other = (net.sample(4, obs, 2, seeded(), eta=eta) for eta in (None, 1.5, 20.0))
    assert torch.equal(usual, same) and not torch.allclose(usual, other)


def test_a_model_of_one_temperature_has_none_to_choose():
    for call in (lambda: model().sample(4, eta=1.0), lambda: model(O).condition(points(4, O), 4, 0.0)):
        with pytest.raises(ValueError, match="no temperature to choose: train it with eta_conditioned=True"):
            call()


@pytest.mark.parametrize("eta, message", [(-1.0, "got -1.0"), (NAN, "got nan"), ("2", "got '2'"), (True, "got True")])
def test_a_temperature_is_a_number_from_0_to_100(eta, message):
    with pytest.raises(ValueError, match=f"eta must be between 0 .* and 100, {message}"):
        model(eta=1.0).sample(4, eta=eta)


@pytest.mark.parametrize("eta", [torch.ones(3), torch.ones(4, 1), torch.ones(1)])
def test_temperatures_are_one_a_row(eta):
    with pytest.raises(ValueError, match=r"eta must be a number or of shape \(4,\), got shape"):
        model(eta=1.0).condition(None, 4, eta)


@pytest.mark.parametrize("obs, message", [
    (None, r"needs obs of shape \(4, 2\), got none"), (points(4, 5), r"needs obs of shape \(4, 2\), got \(4, 5\)"),
    (points(4, 3), r"needs obs of shape \(4, 2\), got \(4, 3\)")])
def test_a_wrong_observation_is_named_by_its_own_shape(obs, message):
    """Without the column of the temperature, which the caller did not make."""
    with pytest.raises(ValueError, match=message):
        model(O, eta=1.0).sample(4, obs)


# -- saving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{"sampler": "euler", "clock": "flow-matching"}, {"eta": 2.0},
                                    {"sampler": "ddpm", "clock": "ddpm", "sigma_max": DDPM().last}])
def test_a_saved_model_samples_as_before(config, tmp_path):
    net = model(**config)
    gtp_mini.save(net, tmp_path / "m.safetensors")
    again = gtp_mini.load(tmp_path / "m.safetensors")
    assert again.config == net.config and asdict(again.config) | config == asdict(again.config)
    assert torch.equal(again.sample(6, steps=3, generator=seeded()), net.sample(6, steps=3, generator=seeded()))


def test_a_sampler_may_be_given_for_once():
    net = model(sampler="euler")
    usual, jumps = (net.sample(6, steps=3, generator=seeded(), sampler=s) for s in (None, samplers.jumps))
    assert not torch.allclose(usual, jumps) and torch.equal(usual, net.sample(6, steps=3, generator=seeded()))


def test_a_model_of_all_temperatures_can_be_set_to_one():
    net = model(eta=1.0)
    warm = net.at_temperature(4.0)
    assert torch.equal(warm.sample(6, steps=2, generator=seeded()), net.sample(6, steps=2, generator=seeded(), eta=4.0))
    assert net.config.eta == 1.0 and warm.network is net.network
    with pytest.raises(ValueError, match="no temperature to choose"):
        model().at_temperature(4.0)
    with pytest.raises(ValueError, match="eta must be between"):
        net.at_temperature(-1.0)
