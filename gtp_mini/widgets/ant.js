// The figure of the ant: sliders, buttons, what became of the episodes; a simulator that starts when it is asked for.

const DRAWS = 24; // actions that are shown for the state in which the ant rests
const LAG_MS = 100; // a page that was away this long or longer does not catch up

export function mount(element, spec) {
  const figure = openFigure(element), { root, panel, canvas } = figure;
  const world = spec.world, policies = spec.policies.map(({ name, model }) => ({ ...loadModel(model), name }));
  const A = policies[0].action_dim, results = make("div", "gtp-results");
  const settings = { policy: policies[0], steps: spec.steps, noise: spec.noise };
  const still = { position: decode(world.still.position), axes: decode(world.still.axes) };
  const scene = { pose: still, goal: world.goal, path: [world.start], ways: [], torques: [], clock: "" };
  const tallies = []; // what became of the episodes, a row for each setting of the sliders
  let ant = null, waking = null, episode = null, number = 0, batch = null, running = false, turns = 0, frame = 0;
  canvas.style.aspectRatio = `1 / ${TALL}`;
  root.dataset.kind = policies[0].kind;

  const show = () => drawAnt(canvas, world, scene);
  const inWords = ({ policy, steps, noise }) => (policies.length > 1 ? `${policy.name}, ` : "") +
    (policy.kind === "gaussian" ? "" : `K = ${steps}, `) + `noise ${noise.toFixed(1)}`;
  const decide = ({ policy, steps, noise }) => (obs, random) => actions(policy, obs, random.normals(A), steps, noise);

  async function run() {
    cancelAnimationFrame(frame);
    const turn = (turns += 1); // a press while MuJoCo starts is the one that counts
    running = true;
    root.dataset.state = "running";
    start.textContent = "Pause";
    tellInWords(figure, batch ? `${spec.episodes} episodes run at ${inWords(batch.tally)}.` : `An episode runs at ${inWords(settings)}.`);
    const mujoco = await (waking ??= loadMujoco(spec.mujoco)).catch((error) => {
      running = false;
      tellInWords(figure, `MuJoCo does not start in this browser: ${error.message}`);
    });
    if (!running || turn !== turns) return;
    ant ??= openAnt(mujoco, world);
    if (!episode || (episode.ended && !batch)) begin((number += 1));
    let before = performance.now(), owed = 0;
    const goOn = () => {
      const now = performance.now();
      owed = Math.min(owed + now - before, LAG_MS);
      before = now;
      if (batch) evaluateUntil(now + FRAME_BUDGET_MS);
      else owed = walkUntil(now + FRAME_BUDGET_MS, owed);
      look();
      if (running) frame = requestAnimationFrame(goOn);
    };
    frame = requestAnimationFrame(goOn);
  }

  function begin(which) {
    episode = startEpisode(world, ant, which);
  }

  function walkUntil(time, owed) { // in real time
    const moment = 1000 * world.timestep;
    for (; owed >= moment && performance.now() < time; owed -= moment) {
      stepEpisode(world, ant, episode, decide(settings));
      if (!episode.ended) continue;
      const seconds = (episode.steps * world.frame_skip * world.timestep).toFixed(1);
      const end = episode.reached ? `the goal after ${seconds} s`
                : `${seconds} s are over` + (episode.fallen ? "; the ant lies on its back" : "");
      pause(`Episode ${episode.number}, ${inWords(settings)}: ${end}.`);
      return 0;
    }
    return owed;
  }

  function evaluateUntil(time) { // as fast as this browser can
    const { tally } = batch;
    while (performance.now() < time) {
      if (batch.left === 0) {
        batch = null;
        return pause(tallyInWords(tally));
      }
      if (batch.fresh) begin(tally.episodes + 1);
      batch.fresh = false;
      stepEpisode(world, ant, episode, decide(tally));
      if (!episode.ended) continue;
      for (const key of ["reached", "fallen"]) tally[key] += episode[key];
      tally.episodes += 1;
      scene.ways.push(episode);
      batch.left -= 1;
      batch.fresh = true;
      tell();
    }
  }

  function pause(text = `Paused at ${inWords(settings)}.`) {
    running = false;
    cancelAnimationFrame(frame);
    start.textContent = "Start";
    if (episode) look();
    rest(text);
  }

  function look() {
    const seconds = (episode.steps * world.frame_skip * world.timestep).toFixed(1);
    const up = upsideDown(ant.state()) ? ", on its back" : "";
    Object.assign(scene, { pose: ant.pose(), goal: episode.goal, path: episode.path, torques: episode.action ? [episode.action] : [],
                           clock: `episode ${episode.number}, ${seconds} s${up}` });
    show();
  }

  // What the policy would do where the ant is now, drawn several times; a jump a frame, as an action takes milliseconds.
  function rest(text) {
    cancelAnimationFrame(frame);
    root.dataset.state = "busy";
    const state = ant && episode ? ant.state() : { qpos: [...world.start, ...world.rest.slice(2)], qvel: new Float64Array(world.rest.length - 1) };
    const obs = observe(state, scene.goal, world.protocol), random = randomNumbers(world.seed, -1), found = [];
    const goOn = () => {
      const until = performance.now() + FRAME_BUDGET_MS;
      while (found.length < DRAWS && performance.now() < until) found.push(decide(settings)(obs, random));
      if (found.length < DRAWS) frame = requestAnimationFrame(goOn);
      else {
        scene.torques = found;
        show();
        tellInWords(figure, `${text} Here ${DRAWS} draws of an action differ by ${spread(found).toFixed(2)} a motor.`);
        root.dataset.state = "ready";
      }
    };
    frame = requestAnimationFrame(goOn);
  }

  function tallyInWords(tally) {
    const { episodes, reached, fallen } = tally, [low, high] = wilson(reached, episodes);
    return `${inWords(tally)}: ${reached} of ${episodes} episodes reach the goal, success ${percent(reached / episodes)}, 95\u00a0% interval ` +
           `${low.toFixed(2)} to ${high.toFixed(2)}; ${fallen} end on their backs.`;
  }

  function tell() {
    table(results, ["setting", "episodes", "success", "95\u00a0% interval", "fell"], tallies.filter((t) => t.episodes).map((t) => {
      const [low, high] = wilson(t.reached, t.episodes).map((v) => v.toFixed(2));
      return [inWords(t), t.episodes, percent(t.reached / t.episodes), `${low} to ${high}`, percent(t.fallen / t.episodes)];
    }));
  }

  function evaluateHere() {
    let tally = tallies.find((t) => ["policy", "steps", "noise"].every((key) => t[key] === settings[key]));
    if (!tally) tallies.push((tally = { ...settings, episodes: 0, reached: 0, fallen: 0 }));
    scene.ways = [];
    batch = { tally, left: spec.episodes, fresh: true };
    run();
  }

  function walkAnew() {
    batch = episode = null;
    scene.ways = [];
    run();
  }

  const set = (key) => (value) => {
    settings[key] = value;
    if (!running) rest(`${inWords(settings)}.`);
  };
  if (policies.length > 1) {
    choice(panel, "Policy", policies.map((p) => p.name), (i) => {
      steps.disabled = policies[i].kind === "gaussian";
      set("policy")(policies[i]);
    });
  }
  const steps = slider(panel, { label: "Sampling steps K", min: 1, max: spec.max_steps, step: 1, value: settings.steps, say: String }, set("steps"));
  steps.disabled = policies[0].kind === "gaussian"; // one draw, whatever K
  slider(panel, { label: "Noise scale", min: 0, max: spec.most_noise, step: 0.1, value: settings.noise, say: (v) => v.toFixed(1) }, set("noise"));
  const [start] = buttons(panel, [["Start", () => (running ? pause() : run())], ["New episode", walkAnew],
                                  [`Run ${spec.episodes} episodes`, evaluateHere]]);
  legend(panel, [["sample", "reaches the goal"], ["path", "ends on its back; its up axis"], ["muted", "out of time"]]);
  panel.append(figure.words, results);
  const stopWatching = watchPage(root, show, canvas);
  rest(`The ant stands at the start, ${inWords(settings)}.`);
  return () => {
    turns += 1;
    running = false;
    cancelAnimationFrame(frame);
    stopWatching();
    ant?.close();
  };
}

const spread = (rows) => { // root mean square over the columns of their standard deviations
  const variance = (column) => {
    const values = rows.map((row) => row[column]), mean = values.reduce((a, b) => a + b) / values.length;
    return values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  };
  const variances = Array.from(rows[0], (_, j) => variance(j));
  return Math.sqrt(variances.reduce((a, b) => a + b) / variances.length);
};

export default { render: ({ model, el }) => mount(el, model.get("_spec")) };
