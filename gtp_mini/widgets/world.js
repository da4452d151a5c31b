// A point that a policy moves: position += step_size * clip(action, -1, 1), until it reaches a goal or time is up.

// Starts the rollouts: all episodes side by side. `noise` is (episodes, 2) for the starts, then (limit, episodes, 2).
export function startRollouts(world, noise) {
  const n = world.episodes, position = new Float64Array(2 * n);
  for (let i = 0; i < 2 * n; i++) position[i] = world.start[i % 2] + world.start_noise * noise[i];
  return { step: 0, path: [position], goal: reached(world, position, new Int32Array(n).fill(-1)) };
}

// Which goal each point is at; -1 for none. A point that has arrived stays where it is.
function reached(world, position, goal) {
  return goal.map((g, i) => g >= 0 ? g : world.goals.findIndex(
    ([x, y]) => Math.hypot(position[2 * i] - x, position[2 * i + 1] - y) <= world.reach));
}

export function isDone(world, rollouts) {
  return rollouts.step >= world.limit || rollouts.goal.every((g) => g >= 0);
}

// One step of all episodes that still walk.
export function stepRollouts(world, rollouts, noise, act) {
  const n = world.episodes, now = rollouts.path[rollouts.step], next = Float64Array.from(now);
  const walking = [...rollouts.goal.keys()].filter((i) => rollouts.goal[i] < 0);
  const offset = 2 * n * (rollouts.step + 1);
  const pick = (from, start) => Float64Array.from(walking.flatMap((i) => [from[start + 2 * i], from[start + 2 * i + 1]]));
  const action = act(pick(now, 0), pick(noise, offset));
  walking.forEach((i, row) => {
    for (const j of [0, 1]) next[2 * i + j] += world.step_size * Math.min(Math.max(action[2 * row + j], -1), 1);
  });
  rollouts.path.push(next);
  rollouts.goal = reached(world, next, rollouts.goal);
  rollouts.step += 1;
}

// The same record from positions that the kernel computed, (steps + 1, episodes, 2).
export function readRollouts(world, positions) {
  const size = 2 * world.episodes, rollouts = startRollouts(world, new Float64Array(size));
  rollouts.path = [];
  rollouts.goal = new Int32Array(world.episodes).fill(-1);
  for (let at = 0; at < positions.length; at += size) {
    rollouts.path.push(positions.slice(at, at + size));
    rollouts.goal = reached(world, rollouts.path[rollouts.path.length - 1], rollouts.goal);
  }
  rollouts.step = rollouts.path.length - 1;
  return rollouts;
}
