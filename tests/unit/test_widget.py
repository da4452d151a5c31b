"""The figure in the browser computes what PyTorch computes; in JupyterLab the kernel answers; errors say what to do."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.datasets.toys import ring_of_gaussians
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.times import SIGMA_MAX
from gtp_mini.widgets import Condition, FlowMapFigure, World
from gtp_mini.widgets.weights import describe_model, encode, sample_from

TOLERANCE = 1e-4
EXPOSED = "loadModel, decode, phi, flowMap, gaussian, samplePath, sample, mixtureFlowMap, sampleScene"
EXPOSE = f"\nwindow.gtp = {{ {EXPOSED} }};"


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    page.set_content(f'<script type="module">{FlowMapFigure._esm}{EXPOSE}</script>')
    page.wait_for_function("window.gtp")
    yield page
    page.close()


def in_browser(page, model, call: str, **inputs) -> torch.Tensor:
    """Evaluates `call` with `model` loaded and tensors among the inputs decoded; returns the flat result."""
    packed = {name: encode(v) if torch.is_tensor(v) else v for name, v in inputs.items()}
    tensors = [name for name, v in inputs.items() if torch.is_tensor(v)]
    body = f"""([spec, given, tensors]) => {{
        const model = gtp.loadModel(spec);
        const inputs = {{ ...given }};
        for (const name of tensors) inputs[name] = gtp.decode(given[name]);
        const {{ {", ".join(inputs)} }} = inputs;
        return Array.from({call});
    }}"""
    return torch.tensor(page.evaluate(body, [describe_model("m", model), packed, tensors]))


def random_flow_map(activation: str, obs_dim: int, position_dims: int = 0) -> FlowMap:
    torch.manual_seed(3)
    # an odd width: no multiple of a block
    model = FlowMap(FlowMapConfig(2, obs_dim, width=33, depth=2, activation=activation, position_dims=position_dims))
    for parameter in model.parameters():
        parameter.data.mul_(2)  # larger than at the start of training, so that activations bend
    model.obs_mean.normal_()
    model.obs_std.uniform_(0.5, 2)
    return model


@pytest.mark.parametrize("activation", ["silu", "mish", "relu"])
@pytest.mark.parametrize("obs_dim, position_dims", [(0, 0), (1, 0), (2, 0), (1, 1), (3, 2)])
def test_the_browser_computes_the_flow_map_of_pytorch(page, activation, obs_dim, position_dims):
    model = random_flow_map(activation, obs_dim, position_dims)
    noise, obs = torch.randn(7, 2), torch.randn(7, obs_dim) if obs_dim else None
    for t, s in [(80.0, 0.0), (80.0, 2.5), (0.7, 0.7), (0.3, 0.01), (0.002, 0.0)]:
        x = t * noise
        with torch.no_grad():
            expected = {"phi": model.phi(x, t, s, obs), "flowMap": model(x, t, s, obs)}
        for name, value in expected.items():
            got = in_browser(page, model, f"gtp.{name}(model, x, t, s, obs)", x=x, t=t, s=s, obs=obs)
            assert torch.allclose(got.view(7, 2), value, atol=TOLERANCE, rtol=1e-5), (name, t, s)


@pytest.mark.parametrize("obs_dim", [0, 2])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_browser_draws_the_samples_of_pytorch(page, obs_dim, steps):
    model = random_flow_map("silu", obs_dim)
    obs = torch.randn(9, obs_dim) if obs_dim else None
    expected = model.sample(9, obs, steps, torch.Generator().manual_seed(5))
    noise = torch.randn(9, 2, generator=torch.Generator().manual_seed(5))
    got = in_browser(page, model, "gtp.sample(model, noise, steps, obs)", noise=noise, steps=steps, obs=obs)
    assert torch.allclose(got.view(9, 2), expected, atol=TOLERANCE)
    assert torch.allclose(sample_from(model, noise, steps, obs), expected, atol=1e-6)


@pytest.mark.parametrize("sampler, clock", [("euler", "edm"), ("euler", "flow-matching"), ("consistency", "edm"),
                                            ("jumps", "meanflow")])
def test_the_browser_samples_as_the_models_own_sampler_does(page, sampler, clock):
    model, noise = random_flow_map("silu", 0), torch.randn(30, 2)
    model.config = replace(model.config, sampler=sampler, clock=clock)
    for steps in (1, 3):
        got = in_browser(page, model, "gtp.sample(model, noise, steps)", noise=noise, steps=steps).view(30, 2)
        assert torch.allclose(got, sample_from(model, noise, steps), atol=TOLERANCE)
        if sampler != "consistency":  # which draws its own fresh noise
            assert torch.allclose(got, model.sample(30, steps=steps, noise=noise), atol=TOLERANCE)


def drawn_ways(page, figure: FlowMapFigure, model, noise, steps: int) -> torch.Tensor:
    """The ways that the scene of samples draws, as it draws them: (way, point, 2)."""
    return torch.tensor(page.evaluate("""([spec, model, noise, steps]) => {
        const canvas = document.createElement("canvas"), ways = [];
        document.body.append(canvas);
        const scene = gtp.sampleScene(spec, [gtp.loadModel(model)], gtp.decode(noise));
        scene.start({ model: 0, steps, scrub: 1, paths: true });
        while (!scene.step());
        const pen = canvas.getContext("2d"), half = (canvas.clientWidth || 320) / 2;
        const place = (x, y) => [(x / half - 1) * spec.limit, (1 - y / half) * spec.limit];
        pen.moveTo = (x, y) => ways.push([place(x, y)]);
        pen.lineTo = (x, y) => ways.at(-1).push(place(x, y));
        scene.show(canvas);
        canvas.remove();
        return ways;
    }""", [figure._spec, describe_model("m", model), encode(noise), steps]))


def shrink(figure: FlowMapFigure, t: torch.Tensor | float):
    """What points at noise level t are multiplied by in the picture, so that noise looks as wide as data."""
    return figure._spec["data_std"] / (figure._spec["data_std"] ** 2 + t**2) ** 0.5


def test_a_consistency_models_way_leads_to_the_data_and_out_again_in_every_round(page):
    model, noise, figure = random_flow_map("silu", 0), torch.randn(45, 2), small_figure(paths=True)
    model.config = replace(model.config, sampler="consistency")
    ways = drawn_ways(page, figure, model, noise, steps=3)
    assert ways.shape == (40, 6, 2)
    times, x = model.config.sampling_times(3), 80 * noise
    for k in range(3):
        assert torch.allclose(ways[:, 2 * k], (x * shrink(figure, times[k]))[:40], atol=1e-3)  # noised anew
        with torch.no_grad():
            data = model(x, times[k], 0.0)
        assert torch.allclose(ways[:, 2 * k + 1], data[:40], atol=1e-3)  # what it takes for the data
        x = data + times[k + 1] * noise.roll(-7 * (k + 1), 0)


def test_a_flow_maps_way_has_points_that_the_map_gives_between_its_jumps(page):
    model, noise, figure = random_flow_map("silu", 0), torch.randn(45, 2), small_figure(paths=True)
    ways = drawn_ways(page, figure, model, noise, steps=2)
    assert ways.shape == (40, 31, 2)
    middle = float(model.config.sampling_times(2)[1])
    with torch.no_grad():
        expected = model(80 * noise, 80.0, middle) * shrink(figure, middle)
    assert torch.allclose(ways[:, 15], expected[:40], atol=1e-3)
    assert torch.allclose(ways[:, -1], sample_from(model, noise, 2)[:40], atol=1e-3)


def test_fresh_noise_of_a_round_is_another_rows():
    model, noise = random_flow_map("silu", 0), torch.randn(30, 2)
    model.config = replace(model.config, sampler="consistency")
    with torch.no_grad():
        first = model(80 * noise, 80.0, 0.0)
        level = model.config.sampling_times(2)[1]
        expected = model(first + level * torch.cat([noise[7:], noise[:7]]), level, 0.0)
    assert torch.allclose(sample_from(model, noise, 2), expected, atol=1e-5)


def test_one_observation_for_all_rows_is_that_observation_in_each_row(page):
    model, noise = random_flow_map("silu", 1, 1), torch.randn(6, 2)
    got = in_browser(page, model, "gtp.sample(model, noise, 3, [0.8])", noise=noise)
    assert torch.allclose(got.view(6, 2), sample_from(model, noise, 3, torch.full((6, 1), 0.8)), atol=TOLERANCE)


@pytest.mark.parametrize("obs_dim, position_dims", [(0, 0), (2, 0), (2, 1)])
def test_the_browser_draws_the_samples_of_a_gaussian_policy(page, obs_dim, position_dims):
    torch.manual_seed(1)
    model = GaussianPolicy(GaussianPolicyConfig(2, obs_dim, width=31, depth=2, position_dims=position_dims))
    model.network[-1].bias.data += torch.tensor([0.0, 0.0, -9.0, 5.0])  # beyond both bounds of log_std
    obs = torch.randn(8, obs_dim) if obs_dim else None
    expected = model.sample(8, obs, generator=torch.Generator().manual_seed(2))
    noise = torch.randn(8, 2, generator=torch.Generator().manual_seed(2))
    got = in_browser(page, model, "gtp.sample(model, noise, 1, obs)", noise=noise, obs=obs)
    assert torch.allclose(got.view(8, 2), expected, atol=TOLERANCE)


def test_the_browser_integrates_the_exact_flow_map(page):
    ring, noise = ring_of_gaussians(), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    for s in (2.5, 0.1, 0.0):
        got = in_browser(page, ring, "gtp.mixtureFlowMap(model, x, 80, s)", x=SIGMA_MAX * noise, s=s)
        assert torch.allclose(got.view(20, 2), ring.flow_map(SIGMA_MAX * noise, SIGMA_MAX, s), atol=1e-3)


def small_figure(**settings) -> FlowMapFigure:
    torch.manual_seed(0)
    model = FlowMap(FlowMapConfig(2, width=8, depth=1))
    return FlowMapFigure({"small": model}, data=torch.rand(50, 2), n=30, **settings)


def test_the_kernels_model_answers_even_when_it_was_trained_further():
    figure = small_figure()
    model = figure._models["small"]
    for parameter in model.parameters():
        parameter.data.mul_(1.5)
    figure._request = {"id": 7, "model": 0, "steps": 3, "scrub": 1}
    assert figure._answer["id"] == 7
    answer = np.frombuffer(base64.b64decode(figure._answer["array"]), "<f4").reshape(30, 2)
    expected = sample_from(model, figure._noise, 3)
    np.testing.assert_allclose(answer, expected.detach(), atol=1e-6)


def test_the_noise_level_slider_stops_the_kernel_on_the_way():
    figure = small_figure()
    figure._request = {"id": 1, "model": 0, "steps": 2, "scrub": 0.25}  # between 80 and the stop at 2.5
    level = figure._level({"model": 0, "scrub": 0.25})
    assert 2.5 < level < 80
    model = figure._models["small"]
    expected = model(80 * figure._noise, 80.0, level)
    answer = np.frombuffer(base64.b64decode(figure._answer["array"]), "<f4").reshape(30, 2)
    np.testing.assert_allclose(answer, expected.detach(), atol=1e-4)


WORLD = World(goals=[(1.0, 0.0), (-1.0, 0.0)], reach=0.2, step_size=0.1, limit=25, start_std=0.05, road=0.4)


def test_browser_and_kernel_walk_the_same_ways(page):
    model = random_flow_map("silu", 2)
    noise = WORLD.draw(10, torch.Generator().manual_seed(0))
    expected = WORLD.rollouts(lambda obs, z: sample_from(model, z, 2, obs), noise)
    page.add_script_tag(type="module", content=FlowMapFigure._esm + """
        window.walk = (spec, world, noise) => {
          const model = loadModel(spec), z = decode(noise), rollouts = startRollouts(world, z);
          const act = (o, n) => sampling(model, n, 2, o);
          while (!isDone(world, rollouts)) for (const _ of stepRollouts(world, rollouts, z, act));
          window.outcomes = Array.from(rollouts.goal);
          return rollouts.path.flatMap((p) => Array.from(p));
        };""")
    page.wait_for_function("() => Boolean(window.walk)")
    got = page.evaluate("([s, w, n]) => walk(s, w, n)", [describe_model("m", model), WORLD.describe(10), encode(noise)])
    ends = expected[-1]
    at_goal = torch.cdist(ends, torch.tensor(WORLD.goals)) <= WORLD.reach
    fallen = (ends.abs().amin(1) > WORLD.road) & ~at_goal.any(1)
    told = [-2 if f else int(row.long().argmax()) if row.any() else -1 for row, f in zip(at_goal, fallen, strict=True)]
    assert page.evaluate("outcomes") == told
    assert fallen.any()  # otherwise this would not have seen the roads
    # one float32 rounding apart at each step; far from any goal's edge that changes no decision
    assert torch.allclose(torch.tensor(got).view(-1, 10, 2), expected.detach(), atol=1e-3)


def test_a_world_with_a_condition_shows_it_to_the_model(browser):
    model = random_flow_map("silu", 3)
    curve = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    condition = Condition("eta", 0, 4, 1.0, {"right": (1, 0), "left": (-1, 0)}, torch.tensor([0.0, 4.0]), curve)
    figure = FlowMapFigure({"m": model}, world=WORLD, condition=condition, steps=2)
    figure._request = {"id": 1, "model": 0, "steps": 2, "scrub": 1, "value": 4.0}
    answer = torch.from_numpy(np.frombuffer(base64.b64decode(figure._answer["array"]), "<f4").copy())

    def turned(obs, z):
        return sample_from(model, z, 2, torch.cat([obs, torch.full((len(obs), 1), 4.0)], 1))

    path = WORLD.rollouts(turned, figure._noise)
    assert torch.allclose(answer.view(path.shape), path, atol=1e-5)
    page = browser.new_page()
    page.set_content(figure.html())
    page.get_by_label("eta", exact=True).evaluate("s => { s.value = 4; s.dispatchEvent(new Event('input')); }")
    page.wait_for_function("() => document.querySelector('.gtp-figure').dataset.state === 'ready'")
    arrived = int((torch.cdist(path[-1], torch.tensor(WORLD.goals)) <= WORLD.reach).any(1).sum())
    words = page.locator(".gtp-words").inner_text()
    assert words.startswith("m, K = 2, eta = 4.00:") and f"{arrived} of 40 episodes" in words
    assert page.locator(".gtp-tick").evaluate_all("t => t.map((tick) => tick.style.left)") == ["90%", "10%"]
    page.close()


def test_the_figures_multigoal_world_is_the_librarys():
    from gtp_mini.worlds.multigoal import MultiGoal

    world, env = World.multigoal(), MultiGoal()
    generator = torch.Generator().manual_seed(4)
    actions = 1.5 * torch.rand(world.limit, 2, generator=generator) - 0.3  # some beyond 1, drifting off the road
    path = world.rollouts(lambda obs, z: z, torch.cat([torch.tensor([[0.1, -0.2]]), actions])[:, None])
    env.reset(seed=0)
    env.position = path[0, 0].double().numpy()
    for action, expected in zip(actions, path[1:, 0], strict=False):
        obs, _, ended, _, info = env.step(action.numpy())
        np.testing.assert_allclose(obs, expected, atol=1e-5)
    assert ended and info["fallen"] and len(path) < world.limit


def test_the_html_stands_alone_and_no_text_in_it_ends_its_script():
    torch.manual_seed(0)
    figure = FlowMapFigure({"</script><b>": FlowMap(FlowMapConfig(2, width=8, depth=1))}, data=torch.rand(5, 2))
    html = figure.html()
    assert html.count("</script>") == 1 and "import " not in html.split("<script")[1].split("mount(")[0][:20]
    assert "http" not in html
    assert set(figure._repr_mimebundle_()[0]) >= {"text/html", "application/vnd.jupyter.widget-view+json"}
    json.dumps(figure._spec)  # plain data


@pytest.mark.parametrize("make, message", [
    (lambda: small_figure(steps=11), "steps must be between 1 and max_steps"),
    (lambda: FlowMapFigure(FlowMap(FlowMapConfig(3)), data=torch.rand(5, 2)), "2-D samples and no observation"),
    (lambda: FlowMapFigure(FlowMap(FlowMapConfig(2)), world=WORLD), "a position as observation"),
    (lambda: FlowMapFigure(FlowMap(FlowMapConfig(2))), "give either data"),
    (lambda: FlowMapFigure(torch.nn.Linear(2, 2), data=torch.rand(5, 2)), "is a Linear"),
    (lambda: Condition("eta", 0, 4, 5, {}), "value must be between"),
    (lambda: Condition("eta", 0, 4, 1, {"left": (0, 0)}, torch.arange(3), torch.ones(3, 2)), "a column per arm"),
])
def test_wrong_use_is_told_in_words(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
