"""The ant in the page is an evaluation's ant: same physics, observations, actions and ends; and it obeys its reader."""

import base64
import copy
import gzip
import json
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from refresh_mujoco import without_custom_sections

import gtp_mini
from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.book import shipped
from gtp_mini.datasets.tasks import TASKS
from gtp_mini.evaluation import wilson_interval
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.widgets import AntFigure
from gtp_mini.widgets.ant import MUJOCO
from gtp_mini.widgets.weights import describe_model
from gtp_mini.worlds.antmaze import flat_observation, raw_antmaze_env, upside_down

TASK = TASKS["antmaze-umaze"]
ROUNDING = 1e-4  # float32 in PyTorch, doubles in the browser
STORED = 5e-3  # what float16 weights change in an action
EXPOSE = """
const simulator = loadMujoco(spec.mujoco), policy = loadModel(spec.policies[0].model);
// Runs an episode in the given world as it is told; the state after every action, and how it ended.
async function walk(changed, number, told) {
  const world = { ...spec.world, ...changed }, ant = openAnt(await simulator, world), seen = [], states = [];
  const episode = startEpisode(world, ant, number), script = told.map((a) => Float64Array.from(a));
  const decide = (obs) => { seen.push(Array.from(obs)); return script[episode.steps]; };
  while (!episode.ended && episode.steps < told.length) {
    stepEpisode(world, ant, episode, decide);
    if (episode.moment === 0) states.push([...ant.state().qpos, ...ant.state().qvel]);
  }
  const ends = partsOf(world, ant.pose()).map((part) => part.ends), { path, reached, fallen, ended, goal } = episode;
  ant.close();
  return { seen, states, path, reached, fallen, ended, goal, ends };
}
window.gtp = { simulator, policy, walk, observe, upsideDown, actions, randomNumbers, wilson, decodeHalf, loadModel };"""


@pytest.fixture(scope="module")
def policy():
    return gtp_mini.load(shipped("antmaze-umaze-gtp") / "model.safetensors")


@pytest.fixture(scope="module")
def page(browser, policy):
    page = browser.new_page()
    spec = json.dumps(AntFigure(policy, TASK)._spec)
    page.set_content(f'<script type="module">const spec = {spec};{AntFigure._esm}{EXPOSE}</script>')
    page.wait_for_function("window.gtp")
    yield page
    page.close()


@pytest.fixture(scope="module")
def env():
    env = TASK.make_env()
    env.reset(seed=0)
    yield env
    env.close()


def random_actions(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8)).astype(np.float32)


def place(env, start: list[float]) -> np.ndarray:
    """The ant at rest at `start`; its first observation."""
    ant = env.unwrapped.ant_env
    ant.set_state(np.concatenate([start, ant.init_qpos[2:]]), np.zeros(14))
    return np.concatenate([ant.data.qpos, ant.data.qvel]).astype(np.float32)


def test_the_page_simulates_what_an_evaluation_simulates(page, env):
    told = random_actions(20)
    got = page.evaluate("told => gtp.walk({}, 3, told)", told.tolist())
    ant, seen = env.unwrapped.ant_env, [place(env, got["path"][0])]
    for action, state in zip(told, got["states"], strict=True):
        seen.append(env.step(action)[0])
        expected = np.concatenate([ant.data.qpos, ant.data.qvel])
        np.testing.assert_allclose(state, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(got["seen"], seen[:-1], rtol=0, atol=1e-6)
    parts = ant.model.geom_bodyid > 0  # a capsule's axis is its z axis, its size radius and half its length
    axes = ant.model.geom_size[parts, 1:2] * ant.data.geom_xmat[parts][:, 2::3]
    ends = np.stack([ant.data.geom_xpos[parts] - axes, ant.data.geom_xpos[parts] + axes], axis=1)
    np.testing.assert_allclose(got["ends"], ends, rtol=0, atol=1e-9)
    assert np.ptp(np.array(got["states"])[:, 7:15], axis=0).min() > 0.1  # all joints moved


def test_the_pages_mujoco_is_the_installed_one(page):
    assert page.evaluate("async () => (await gtp.simulator).mj_versionString()") == mujoco.__version__


def test_the_model_of_the_page_is_the_environments():
    env = raw_antmaze_env(TASK.maze.env_id)  # not reset: that moves the mark of the goal
    compiled = mujoco.MjModel.from_xml_string(AntFigure(FlowMap(FlowMapConfig(8, 29)), TASK)._spec["world"]["xml"])
    saved = []
    for model in (compiled, env.unwrapped.model):
        saved.append(np.empty(mujoco.mj_sizeModel(model), np.uint8))
        mujoco.mj_saveModel(model, None, saved[-1])
    np.testing.assert_array_equal(*saved)


@pytest.mark.parametrize("protocol", ["d4rl", "minari"])
def test_observations_are_laid_out_as_the_policy_learned_them(page, protocol):
    state, goal = np.random.default_rng(1).standard_normal(29), np.array([7.0, -3.0])
    got = page.evaluate("([q, v, g, p]) => Array.from(gtp.observe({ qpos: q, qvel: v }, g, p))",
                        [state[:15].tolist(), state[15:].tolist(), goal.tolist(), protocol])
    np.testing.assert_array_equal(np.float32(got), flat_observation(state[2:], state[:2], goal, protocol))


def test_episodes_start_where_an_evaluation_starts_and_are_repeatable(page):
    maze = TASK.make_env().unwrapped.maze
    runs = [page.evaluate("n => gtp.walk({}, n, [])", number) for number in (*range(1, 40), 7)]
    starts = np.array([run["path"][0] for run in runs])
    offset = starts[:-1] - maze.cell_rowcol_to_xy(np.array(TASK.maze.eval_start))
    assert np.abs(offset).max() <= 1.0 and (offset.min(0) < -0.7).all() and (offset.max(0) > 0.7).all()
    assert len(np.unique(starts, axis=0)) == 39 and (starts[-1] == starts[6]).all()
    goal = maze.cell_rowcol_to_xy(np.array(TASK.maze.eval_goal))
    assert all(run["goal"] == goal.tolist() for run in runs)
    moved = [page.evaluate("n => gtp.walk({ goal_jitter: 1 }, n, [])", n)["goal"] for n in range(5)]
    assert np.abs(moved - goal).max() <= 1 and np.ptp(moved, axis=0).min() > 0.1


@pytest.mark.parametrize("distance, reached", [(0.40, True), (0.50, False)])
def test_an_episode_ends_within_45_centimetres_of_the_goal(page, distance, reached):
    world = {"start": [-4.0, -4.0 + distance], "start_jitter": 0}
    got = page.evaluate("([world, told]) => gtp.walk(world, 1, told)", [world, np.zeros((1, 8)).tolist()])
    assert (got["reached"], got["ended"], got["fallen"]) == (reached, reached, False)


def test_an_episode_ends_when_its_time_is_over(page):
    got = page.evaluate("told => gtp.walk({ limit: 6 }, 1, told)", np.zeros((9, 8)).tolist())
    assert len(got["states"]) == 6 and got["ended"] and not got["reached"]
    assert AntFigure(FlowMap(FlowMapConfig(8, 29)), TASK)._spec["world"]["limit"] == TASK.time_limit == 700


def test_an_ant_on_its_back_has_fallen_and_goes_on(page):
    rest = [0, 0, 0.75, 0, 1, 0, 0, *[0] * 8]
    got = page.evaluate("([rest, told]) => gtp.walk({ rest }, 1, told)", [rest, np.zeros((3, 8)).tolist()])
    assert got["fallen"] and not got["ended"]
    quaternions = np.random.default_rng(2).standard_normal((200, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    told = page.evaluate("all => all.map((q) => gtp.upsideDown({ qpos: [0, 0, 0, ...q] }))", quaternions.tolist())
    assert told == upside_down(quaternions).tolist() and 50 < sum(told) < 150


def in_half(model):
    """The model with weights as the page has them."""
    model = copy.deepcopy(model)
    for parameter in model.network.parameters():
        parameter.data = parameter.data.half().float()
    return model


@pytest.mark.parametrize("steps, scale", [(1, 1.0), (2, 1.0), (2, 0.3), (5, 1.5), (10, 0.0)])
def test_the_page_acts_as_the_policy_does(page, policy, env, steps, scale):
    seen = [place(env, [-4.0, 4.0])]
    generator = torch.Generator().manual_seed(0)
    for _ in range(25):  # observations of a walk
        action = policy.sample(obs=torch.tensor(seen[-1])[None], steps=2, generator=generator)
        seen.append(env.step(action[0].clamp(-1, 1).numpy())[0])
    obs, noise = torch.tensor(np.stack(seen)), torch.randn(26, 8, generator=torch.Generator().manual_seed(1))
    got = torch.tensor([page.evaluate(
        "([o, z, k, c]) => Array.from(gtp.actions(gtp.policy, Float32Array.from(o), Float64Array.from(z), k, c))",
        [o.tolist(), z.tolist(), steps, scale]) for o, z in zip(obs, noise, strict=True)])
    settings = {"obs": obs, "steps": steps, "noise": noise, "noise_scale": scale}
    assert torch.allclose(got, in_half(policy).sample(**settings).clamp(-1, 1), atol=ROUNDING)
    assert torch.allclose(got, policy.sample(**settings).clamp(-1, 1), atol=STORED)
    assert got.abs().max() == 1.0  # some are clamped


def test_the_page_acts_as_a_gaussian_policy_does(page):
    torch.manual_seed(0)
    model = GaussianPolicy(GaussianPolicyConfig(8, 29, width=32, depth=2))
    obs, noise = torch.randn(1, 29), torch.randn(1, 8)
    got = page.evaluate(
        "([m, o, z]) => Array.from(gtp.actions(gtp.loadModel(m), Float32Array.from(o), Float64Array.from(z), 1, 0.7))",
        [describe_model("m", model, half=True), obs[0].tolist(), noise[0].tolist()])
    expected = in_half(model).sample(obs=obs, noise=noise, noise_scale=0.7).clamp(-1, 1)[0]
    assert torch.allclose(torch.tensor(got), expected, atol=ROUNDING)


def test_every_float16_is_read(page):
    bits = np.arange(2**16, dtype="<u2")
    bits = bits[np.isfinite(bits.view("<f2"))]
    got = page.evaluate("text => Array.from(gtp.decodeHalf(text))", base64.b64encode(bits.tobytes()).decode())
    np.testing.assert_array_equal(got, bits.view("<f2").astype(float))


def test_noise_is_standard_normal_and_another_in_each_episode(page):
    drawn = np.array(page.evaluate("[1, 2, 3, 4].map((n) => Array.from(gtp.randomNumbers(0, n).normals(20000)))"))
    assert np.abs(drawn.mean(1)).max() < 0.03 and np.abs(drawn.std(1) - 1).max() < 0.02
    assert np.abs((drawn**4).mean(1) - 3).max() < 0.25
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.03
    assert np.abs([np.corrcoef(row[:-1], row[1:])[0, 1] for row in drawn]).max() < 0.03


@pytest.mark.parametrize("wins, n", [(0, 1), (1, 1), (48, 50), (100, 100), (3, 700)])
def test_the_interval_is_wilsons(page, wins, n):
    expected = wilson_interval(wins, n)
    assert page.evaluate("([k, n]) => gtp.wilson(k, n)", [wins, n]) == pytest.approx(expected, abs=1e-12)


# ---- the figure under its reader's hands

STATE = "() => document.querySelector('.gtp-figure')?.dataset.state"
WATCH = """
window.compiled = 0;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = (...given) => { window.compiled += 1; return instantiate(...given); };
"""
SLOW_CLOCK = """
let clock = 0;
performance.now = () => (clock += 1); // a millisecond at every look
window.frames = 0;
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (callback) => request((time) => { window.frames += 1; callback(time); });
"""


@pytest.fixture
def show(browser, policy, tmp_path):
    """show(policies, task, script, world, **settings): the figure, in a world that is changed so far, on a page opened
    from a folder; and all that the page asks for or complains about."""
    contexts = []

    def open_figure(policies=policy, task=TASK, script=WATCH, world=None, **settings):
        figure, file = AntFigure(policies, task, **settings), tmp_path / "page.html"
        figure._spec = figure._spec | {"world": figure._spec["world"] | (world or {})}
        file.write_text(f"<!doctype html><meta charset=utf-8><body>{figure.html()}", "utf8")
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 800}))
        page, asked = contexts[-1].new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"uncaught: {error}"))
        page.on("console", lambda message: asked.append(f"said: {message.text}"))
        page.add_init_script(script)
        page.goto(file.as_uri())
        wait(page, "ready")
        return page, asked

    yield open_figure
    for context in contexts:
        context.close()


def wait(page, state):
    page.wait_for_function(f"({STATE})() === '{state}'")


def picture(page):
    return page.evaluate("document.querySelector('canvas').toDataURL()")


def press(page, name):
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    button.press("Enter")


def test_the_ant_walks_when_it_is_asked_to_and_nobody_else_is(show):
    page, asked = show()
    assert page.evaluate("compiled") == 0  # MuJoCo waits for the reader
    before = picture(page)
    press(page, "Start")
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=before)
    assert page.evaluate("compiled") == 1
    press(page, "Pause")
    wait(page, "ready")
    paused = picture(page)
    page.wait_for_timeout(200)
    assert picture(page) == paused
    press(page, "Start")
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=paused)
    press(page, "New episode")
    press(page, "Pause")
    wait(page, "ready")
    assert page.locator(".gtp-words").inner_text() == page.locator("canvas").get_attribute("aria-label")
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    assert page.evaluate("compiled") == 1


@pytest.mark.parametrize("label, key", [("Sampling steps K", "PageUp"), ("Noise scale", "PageDown")])
def test_sliders_change_what_the_policy_would_do(show, label, key):
    page, _ = show()
    before, words = picture(page), page.locator(".gtp-words").inner_text()
    slider = page.get_by_label(label, exact=True)
    slider.focus()
    slider.press(key)
    wait(page, "ready")
    assert picture(page) != before and page.locator(".gtp-words").inner_text() != words


def test_without_noise_all_draws_are_one(show):
    page, _ = show(noise_scale=0.0)
    assert "K = 2, noise 0.0. Here 24 draws of an action differ by 0.00" in page.locator(".gtp-words").inner_text()


def test_episodes_are_counted_for_each_setting(show):
    page, asked = show(task=replace(TASK, time_limit=30), episodes=3)  # too short to arrive anywhere
    for setting, total in (("K = 2, noise 1.0", 3), ("K = 2, noise 1.0", 6), ("K = 10, noise 1.0", 3)):
        if setting.startswith("K = 10"):
            page.get_by_label("Sampling steps K", exact=True).press("End")
            wait(page, "ready")
        press(page, "Run 3 episodes")
        wait(page, "ready")
        low, high = wilson_interval(0, total)
        words = page.locator(".gtp-words").inner_text().replace("\u00a0", " ")
        assert words.startswith(f"{setting}: 0 of {total} episodes reach the goal, success 0 %, "
                                f"95 % interval {low:.2f} to {high:.2f}; 0 end on their backs.")
    rows = page.locator(".gtp-table tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rows] == [["setting", "episodes"], ["K = 2, noise 1.0", "6"],
                                                     ["K = 10, noise 1.0", "3"]]
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []


def test_the_reader_chooses_among_policies(show, policy):
    torch.manual_seed(0)
    other = GaussianPolicy(GaussianPolicyConfig(8, 29, width=16, depth=1))
    page, _ = show({"trained": policy, "fresh": other}, task=replace(TASK, time_limit=5), episodes=2)
    before = picture(page)
    assert "trained, K = 2, noise 1.0" in page.locator(".gtp-words").inner_text()
    press(page, "Run 2 episodes")
    wait(page, "ready")
    page.get_by_label("Policy", exact=True).select_option("fresh")
    wait(page, "ready")
    assert page.locator(".gtp-words").inner_text().startswith("fresh, noise 1.0. Here") and picture(page) != before
    assert page.get_by_label("Sampling steps K", exact=True).is_disabled()
    press(page, "Run 2 episodes")
    wait(page, "ready")
    rows = [row.split("\t")[:2] for row in page.locator(".gtp-table tr").all_inner_texts()]
    assert rows[1:] == [["trained, K = 2, noise 1.0", "2"], ["fresh, noise 1.0", "2"]]


def test_every_episode_has_its_own_start_and_a_second_press_goes_on(show, page):
    goal = {"start": [-4.0, -4.0]}  # where an ant that starts near enough arrives with its first action
    starts = [page.evaluate("([world, n]) => gtp.walk(world, n, []).then((run) => run.path[0])", [goal, n + 1])
              for n in range(40)]
    near = np.linalg.norm(np.array(starts) + 4, axis=1) <= 0.45
    figure, _ = show(task=replace(TASK, time_limit=1), episodes=20, world=goal)
    for total in (20, 40):
        press(figure, "Run 20 episodes")
        wait(figure, "ready")
        assert f"{near[:total].sum()} of {total} episodes reach" in figure.locator(".gtp-words").inner_text()
    assert 0 < near[:20].sum() < near.sum() < 20


ON_ITS_BACK = {"rest": [0, 0, 0.75, 0, 1, 0, 0, *[0] * 8]}
AT_THE_GOAL = {"start": [-4.0, -4.3], "start_jitter": 0}


@pytest.mark.parametrize("world, reached, fallen", [({}, 0, 0), (ON_ITS_BACK, 0, 3), (AT_THE_GOAL, 3, 0),
                                                    (AT_THE_GOAL | ON_ITS_BACK, 3, 3)])
def test_successes_and_falls_are_counted_apart(show, world, reached, fallen):
    page, _ = show(task=replace(TASK, time_limit=3), episodes=3, world=world)
    press(page, "Run 3 episodes")
    wait(page, "ready")
    words = page.locator(".gtp-words").inner_text()
    assert f"{reached} of 3 episodes reach the goal" in words and f"; {fallen} end on their backs." in words
    row = page.locator(".gtp-table tr").nth(1).inner_text().replace("\u00a0", " ").split("\t")
    low, high = wilson_interval(reached, 3)
    assert row[1:] == ["3", f"{100 * reached // 3} %", f"{low:.2f} to {high:.2f}", f"{100 * fallen // 3} %"]


def test_long_computations_leave_room_for_frames(show):
    page, _ = show(task=replace(TASK, time_limit=20), script=SLOW_CLOCK, episodes=2)
    page.evaluate("frames = 0")
    press(page, "Run 2 episodes")
    wait(page, "ready")
    assert page.evaluate("frames") >= 2 * 20 * 5 / 9  # 9 ms a frame, of which every step takes one


@pytest.mark.parametrize("name", ["mujoco.js", "mujoco.wasm"])
def test_the_figure_carries_what_is_committed(name):
    spec = AntFigure(FlowMap(FlowMapConfig(8, 29, width=8)), TASK)._spec
    assert base64.b64decode(spec["mujoco"][name]) == (MUJOCO / f"{name}.gz").read_bytes()


def test_custom_sections_are_left_out_and_nothing_else():
    header = b"\0asm\1\0\0\0"
    custom, long, types = b"\0\3\2hi", b"\0" + b"\x80\1" + b"x" * 128, b"\1\4\1\x60\0\0"
    assert without_custom_sections(header + custom + types + long + types) == header + types + types
    wasm = gzip.decompress((MUJOCO / "mujoco.wasm.gz").read_bytes())
    assert without_custom_sections(wasm) == wasm and wasm.startswith(header)


def test_the_figure_stands_alone_and_is_small(policy):
    figure = AntFigure(policy, TASK)
    assert figure.html().count("</script>") == 1 and len(figure.html()) < 2_400_000  # of a page's 3 MB
    assert repr(figure) == "AntFigure(antmaze-umaze)"
    assert set(figure._repr_mimebundle_()[0]) >= {"text/html", "application/vnd.jupyter.widget-view+json"}


SMALL = FlowMap(FlowMapConfig(8, 29, width=8))


@pytest.mark.parametrize("make, message", [
    (lambda: AntFigure(SMALL, TASK, steps=11), "steps must be between 1 and max_steps"),
    (lambda: AntFigure(SMALL, TASK, noise_scale=2.0), "noise_scale must be between 0 and 1.5, got 2.0"),
    (lambda: AntFigure(SMALL, TASK, episodes=0), "episodes must be at least 1, got 0"),
    (lambda: AntFigure(SMALL, TASKS["multigoal"]), "'multigoal' is not an AntMaze task"),
    (lambda: AntFigure(SMALL, TASKS["antmaze-umaze-goal"]), "obs_dim 31, got 8 and 29"),
    (lambda: AntFigure(FlowMap(FlowMapConfig(8, 29, sampler="consistency")), TASK), "no noise on the way"),
    (lambda: AntFigure(FlowMap(FlowMapConfig(8, 29, eta=1.0)), TASK), "all temperatures"),
    (lambda: AntFigure(torch.nn.Linear(29, 8), TASK), "is a Linear"),
])
def test_wrong_use_is_told_in_words(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
