// A point that a policy moves: position += step_size * clip(action, -1, 1), until it reaches a goal, leaves the road or
// time is up. An episode's outcome is the index of its goal, WALKING or FALLEN.

export const WALKING = -1, FALLEN = -2;

// Starts the rollouts: all episodes side by side. `noise` has (episodes, 2) starts, then noise (limit, episodes, 2).
export function startRollouts(world, noise) {
  const n = world.episodes, position = noise.slice(0, 2 * n);
  return { step: 0, path: [position], goal: outcomes(world, position, new Int32Array(n).fill(WALKING)) };
}

// What became of each point; one that has ended stays as it is.
function outcomes(world, position, before) {
  return before.map((outcome, i) => {
    if (outcome !== WALKING) return outcome;
    const x = position[2 * i], y = position[2 * i + 1];
    const goal = world.goals.findIndex(([gx, gy]) => Math.hypot(x - gx, y - gy) <= world.reach);
    const off = world.road !== null && Math.min(Math.abs(x), Math.abs(y)) > world.road;
    return goal >= 0 ? goal : off ? FALLEN : WALKING;
  });
}

export function isDone(world, rollouts) {
  return rollouts.step >= world.limit || rollouts.goal.every((g) => g !== WALKING);
}

// One step of all episodes that still walk. `act` is a generator, so that it can stop for the page to be drawn.
export function* stepRollouts(world, rollouts, noise, act) {
  const n = world.episodes, now = rollouts.path[rollouts.step], next = Float64Array.from(now);
  const walking = [...rollouts.goal.keys()].filter((i) => rollouts.goal[i] === WALKING);
  const offset = 2 * n * (rollouts.step + 1);
  const pick = (from, start) => Float64Array.from(walking.flatMap((i) => [from[start + 2 * i], from[start + 2 * i + 1]]));
  const action = yield* act(pick(now, 0), pick(noise, offset));
  walking.forEach((i, row) => {
    for (const j of [0, 1]) next[2 * i + j] += world.step_size * Math.min(Math.max(action[2 * row + j], -1), 1);
  });
  rollouts.path.push(next);
  rollouts.goal = outcomes(world, next, rollouts.goal);
  rollouts.step += 1;
}

// The same record from positions that the kernel computed, (steps + 1, episodes, 2).
export function readRollouts(world, positions) {
  const size = 2 * world.episodes, rollouts = startRollouts(world, positions);
  for (let at = size; at < positions.length; at += size) {
    const next = positions.slice(at, at + size);
    rollouts.path.push(next);
    rollouts.goal = outcomes(world, next, rollouts.goal);
  }
  rollouts.step = rollouts.path.length - 1;
  return rollouts;
}
