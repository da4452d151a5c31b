// What can be shown. A scene turns the state of the controls into a picture, bars and words:
//   start(state)         begins a computation in the browser; step() goes on and says whether it is done
//   accept(state, array) takes the kernel's result instead
//   show(canvas)         draws what there is;   tell(state) -> { words, rows }

const PATHS = 40; // ways drawn: more hide each other
const PATH_LEVELS = 30; // points on each way, shared by its jumps
const PART = 25; // samples that one step of a computation moves: some ms

const movesInWords = (model, steps) => (model.sampler !== "euler" ? jumpsInWords(steps)
  : steps === 1 ? "1 step of Euler's" : `${steps} steps of Euler's`);

const spread = (points) => { // root mean square distance from the mean
  const n = points.length / 2, mean = [0, 0];
  points.forEach((v, i) => (mean[i % 2] += v / n));
  return Math.sqrt(points.reduce((sum, v, i) => sum + (v - mean[i % 2]) ** 2, 0) / n);
};

// The noise level of slider position u: evenly spaced as the samplers' grid is; 0 is pure noise, 1 is data.
export function levelAt({ sigma_min, sigma_max, rho }, u) {
  const low = sigma_min ** (1 / rho), high = sigma_max ** (1 / rho);
  return u >= 1 ? 0 : (low + (1 - u) * (high - low)) ** rho;
}

export function sampleScene(spec, models, noise) {
  const data = decode(spec.data);
  const picture = { data, points: new Float64Array(0), paths: [], stops: [], scale: 1 / spec.limit,
                    arms: spec.condition ? spec.condition.arms.map((arm) => arm.at) : [] };
  // Noise is 100 times wider than data: points at level t are drawn smaller, so that noise looks as wide as data.
  const shrink = (t) => spec.data_std / Math.hypot(spec.data_std, t);
  const obsOf = (state) => (spec.condition ? [state.value] : null);
  let shown = null; // samples at the noise level of the scrub slider, not shrunk

  // The samples one jump further. Generators, as all that follows: they stop after each part, for the page to be drawn.
  function* jumped(model, x, t, s, state, round) {
    const y = new Float64Array(x.length), size = PART * model.action_dim;
    for (let first = 0; first < x.length; first += size) {
      y.set(advance(model, x.subarray(first, first + size), t, s, obsOf(state), noise, round, first), first);
      yield;
    }
    return y;
  }

  function* walk(model, state) { // some samples' ways, with points between the jumps that the map gives as well
    const renoises = model.sampler === "consistency"; // it has no jump to a level between: to the data, and out again
    const times = samplingTimes(model, state.steps), stops = [], between = renoises ? 1 : Math.ceil(PATH_LEVELS / state.steps);
    let x = noise.slice(0, 2 * PATHS).map((v) => v * model.sigma_max);
    const ways = Array.from({ length: PATHS }, () => []);
    const add = (points, t) => ways.forEach((way, i) => way.push([points[2 * i] * shrink(t), points[2 * i + 1] * shrink(t)]));
    for (let k = 0; k < state.steps; k++) {
      add(x, times[k]);
      stops.push(...x.map((v) => v * shrink(times[k])));
      for (let j = 1; j < between; j++) {
        const [from, to] = [times[k], Math.max(times[k + 1], model.sigma_min)].map((v) => v ** (1 / model.rho));
        const t = (from + (j / between) * (to - from)) ** model.rho; // evenly spaced as the samplers' grid is
        add(yield* jumped(model, x, times[k], t, state, k), t);
      }
      if (renoises && k < state.steps - 1) add(yield* jumped(model, x, times[k], 0, state, k), 0);
      x = yield* jumped(model, x, times[k], times[k + 1], state, k);
    }
    add(x, 0);
    return { ways, stops };
  }

  function* pointsAt(model, state) {
    if (model.kind === "gaussian") return sample(model, noise, state.steps, obsOf(state));
    const t = levelAt(model, state.scrub), times = samplingTimes(model, state.steps);
    const last = times.findLastIndex((level) => level >= t); // the sampler's last stop at or above t
    let x = noise.map((v) => v * model.sigma_max);
    for (let k = 0; k < last; k++) x = yield* jumped(model, x, times[k], times[k + 1], state, k);
    return times[last] === t ? x : yield* jumped(model, x, times[last], t, state, last);
  }

  function place(state, points) {
    const model = models[state.model];
    shown = points;
    const factor = model.kind === "gaussian" ? 1 : shrink(levelAt(model, state.scrub));
    picture.points = points.map((v) => v * factor);
  }

  function* compute(state) {
    const model = models[state.model];
    const drawn = state.paths && model.kind !== "gaussian" ? yield* walk(model, state) : { ways: [], stops: [] };
    const points = yield* pointsAt(model, state);
    picture.paths = drawn.ways;
    picture.stops = drawn.stops;
    place(state, points);
  }

  let work = null;
  return {
    start: (state) => { work = compute(state); },
    step: () => work.next().done,
    accept(state, points) { // the paths are the browser's
      while (state.paths && !work.next().done);
      if (!state.paths) picture.paths = picture.stops = [];
      place(state, points);
    },
    show: (canvas) => drawSamples(canvas, picture),
    tell(state) {
      const model = models[state.model], t = levelAt(model, state.scrub), count = shown.length / 2;
      const how = model.kind === "gaussian" ? "in one draw" : `in ${movesInWords(model, state.steps)} (K\u00a0=\u00a0${state.steps})`;
      const ratio = `their spread is ${(spread(shown) / spread(data)).toFixed(2)} of the data's`;
      const seen = t > 0 && model.kind !== "gaussian" ? `seen on their way, at noise level ${t.toPrecision(2)}` : ratio;
      if (!spec.condition) return { words: `${model.name}: ${count} samples ${how}; ${seen}.`, rows: [] };
      const rows = armShares(spec.condition, shown, state.value);
      const shares = rows.map((r) => `${r.name}: ${percent(r.share)}` + (r.exact === undefined ? "" : ` (exact ${percent(r.exact)})`));
      const at = `${spec.condition.label} = ${state.value.toFixed(2)}`;
      return { words: `${model.name}, ${at}: ${count} samples ${how}. Shares: ${shares.join(", ")}.`, rows };
    },
  };
}

// The exact share of each arm at a value of the slider, from the table between two of its rows; undefined without one.
export function exactShares({ grid, curve }, value) {
  if (!curve) return undefined;
  const after = Math.max(grid.findIndex((g) => g >= value), 1);
  const part = (value - grid[after - 1]) / (grid[after] - grid[after - 1]);
  return curve[after].map((share, k) => (1 - part) * curve[after - 1][k] + part * share);
}

// The share of points nearest to each arm, beside the exact one.
export function armShares({ arms, grid, curve }, points, value) {
  const counts = arms.map(() => 0), n = points.length / 2;
  for (let i = 0; i < points.length; i += 2) {
    const distances = arms.map(({ at: [x, y] }) => Math.hypot(points[i] - x, points[i + 1] - y));
    counts[distances.indexOf(Math.min(...distances))] += 1;
  }
  const exact = exactShares({ grid, curve }, value);
  return arms.map(({ name }, k) => ({ name, share: counts[k] / n, exact: exact?.[k] }));
}

export function worldScene(spec, models, noise) {
  const world = spec.world;
  let rollouts = null, model = null, value = 0, work = null;
  const seen = (places) => (!spec.condition ? places
    : Float64Array.from(Array.from({ length: places.length / 2 }, (_, i) => [places[2 * i], places[2 * i + 1], value]).flat()));

  function* walk(steps) {
    while (!isDone(world, rollouts)) {
      yield* stepRollouts(world, rollouts, noise, (places, z) => sampling(model, z, steps, seen(places)));
    }
  }

  return {
    start(state) {
      model = models[state.model];
      value = state.value;
      rollouts = startRollouts(world, noise);
      work = walk(state.steps);
    },
    step: () => work.next().done,
    accept: (state, positions) => { rollouts = readRollouts(world, positions); },
    show: (canvas) => drawWorld(canvas, world, rollouts),
    tell(state) {
      const n = world.episodes, count = (test) => rollouts.goal.filter(test).length;
      const arrived = count((g) => g >= 0), fallen = count((g) => g === FALLEN);
      const exact = spec.condition && exactShares(spec.condition, state.value);
      const rows = world.names.map((name, k) => ({ name, share: count((g) => g === k) / n, exact: exact?.[k] }));
      const turned = spec.condition ? `, ${spec.condition.label} = ${state.value.toFixed(2)}` : "";
      const how = (model.kind === "gaussian" ? "one draw an action" : `K = ${state.steps}`) + turned;
      const shares = rows.map((r) => `${r.name}: ${percent(r.share)}`).join(", ");
      const success = `${arrived} of ${n} episodes reach a goal, success ${percent(arrived / n)}`;
      const off = world.road === null ? "" : `; ${fallen} ${fallen === 1 ? "leaves" : "leave"} the road`;
      return { words: `${model.name}, ${how}: ${success}${off}. ${shares}.`, rows };
    },
  };
}
