// The ant in its maze: MuJoCo itself, compiled to WebAssembly, and an evaluation's episodes as worlds/side_by_side.py and
// worlds/antmaze.py run them. Metres and seconds.

async function unpack(base64) { // of gzip
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// MuJoCo's own script is a module. Pages opened from a folder cannot import from files, but from what they hold themselves.
export async function loadMujoco(packed) {
  const [script, wasm] = await Promise.all([unpack(packed["mujoco.js"]), unpack(packed["mujoco.wasm"])]);
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: load } = await import(address);
  URL.revokeObjectURL(address);
  return load({ wasmBinary: wasm, locateFile: (name) => name });
}

// An ant that can be placed, driven and looked at. MuJoCo's memory may move: its arrays are asked for anew each time.
export function openAnt(mujoco, world) {
  const model = mujoco.MjModel.from_xml_string(world.xml), data = new mujoco.MjData(model);
  const { first, radius: { length } } = world.parts;
  return {
    place([x, y]) {
      mujoco.mj_resetData(model, data);
      data.qpos.set([x, y, ...world.rest.slice(2)]);
      mujoco.mj_forward(model, data);
    },
    push: (action) => data.ctrl.set(action),
    step: () => mujoco.mj_step(model, data),
    state: () => ({ qpos: data.qpos, qvel: data.qvel }),
    pose: () => ({ position: data.geom_xpos.slice(3 * first, 3 * (first + length)),
                   axes: data.geom_xmat.slice(9 * first, 9 * (first + length)) }),
    close() {
      data.delete();
      model.delete();
    },
  };
}

// What the policy sees, float32: flat_observation in worlds/antmaze.py.
export function observe({ qpos, qvel }, goal, protocol) {
  const own = [...qpos, ...qvel];
  return Float32Array.from(protocol === "d4rl" ? own : [...own.slice(2), ...own.slice(0, 2), ...goal]);
}

// Whether the torso's up axis points down; qpos[3..6] is its quaternion w, x, y, z.
export const upsideDown = ({ qpos }) => 1 - 2 * (qpos[4] ** 2 + qpos[5] ** 2) < 0;

// The random numbers of an episode, the same whenever it is run (mulberry32, a public-domain generator).
export function randomNumbers(seed, number) {
  let state = Math.imul(seed + 1, 0x9e3779b1) + Math.imul(number + 1, 0x85ebca6b);
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
  return { uniform, normals: (count) => Float64Array.from({ length: count }, normal) };
}

// An action (A), or several of them, from standard normal noise: FlowMap.sample with its noise_scale, clamped.
export function actions(policy, obs, noise, steps, scale) {
  return sample(policy, noise.map((z) => scale * z), steps, obs).map((v) => Math.min(Math.max(v, -1), 1));
}

// Puts the ant where episode `number` starts.
export function startEpisode(world, ant, number) {
  const random = randomNumbers(world.seed, number);
  const near = (place, jitter) => place.map((v) => v + jitter * (2 * random.uniform() - 1));
  const start = near(world.start, world.start_jitter), goal = near(world.goal, world.goal_jitter);
  ant.place(start);
  return { number, random, goal, path: [start], action: null, moment: 0, steps: 0,
           ended: false, reached: false, fallen: false };
}

// One time step of MuJoCo. After `frame_skip` of them the ant is looked at; before the first of them it is told what to
// do: decide(obs, random) -> action.
export function stepEpisode(world, ant, episode, decide) {
  if (episode.moment === 0) {
    episode.action = decide(observe(ant.state(), episode.goal, world.protocol), episode.random);
    ant.push(episode.action);
  }
  ant.step();
  episode.moment = (episode.moment + 1) % world.frame_skip;
  if (episode.moment > 0) return;
  const state = ant.state(), [x, y] = state.qpos;
  episode.steps += 1;
  episode.path.push([x, y]);
  episode.fallen = upsideDown(state);
  episode.reached = Math.hypot(x - episode.goal[0], y - episode.goal[1]) <= world.reach;
  episode.ended = episode.reached || episode.steps >= world.limit;
}

// Wilson's 95 % interval of a share: wilson_interval in evaluation.py.
export function wilson(wins, n) {
  const z = 1.959963984540054, p = wins / n, scale = 1 + z ** 2 / n;
  const half = (z * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2))) / scale, centre = (p + z ** 2 / (2 * n)) / scale;
  return [Math.max(centre - half, 0), Math.min(centre + half, 1)];
}
