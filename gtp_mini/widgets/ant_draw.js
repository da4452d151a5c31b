// The ant's pictures, on one canvas: the maze from above; below it the ant from the side, and its motors' torques.

const TALL = 1.42; // height of the canvas over its width
const SIDE_HALF_WIDTH = 1.5; // metres that the view from the side shows to the left and right of the torso
const WAY = 4; // of an ended episode's path every fourth point is drawn

// scene: { pose, goal, path, way, ways, torques, clock }. pose: positions (n, 3) and rotations (n, 3, 3) of the ant's
// parts; ways: ended episodes; torques: actions (A) to draw, one after another; clock: words.
export function drawAnt(canvas, world, scene) {
  const view = openCanvas(canvas, TALL);
  const place = (x, y) => [x / world.half_width, y / world.half_width];
  fromAbove(view, world, scene, place);
  const top = view.size * 1.02, height = view.size * (TALL - 1.02), middle = view.size * 0.52;
  fromTheSide(view, world, scene.pose, { left: 0, top, width: middle - 12, height });
  torques(view, scene.torques, { left: middle + 24, top, width: view.size - middle - 24, height });
}

const partsOf = (world, { position, axes }) => world.parts.radius.map((radius, i) => ({ // its ends, half a capsule apart
  radius, ends: [-1, 1].map((sign) => [0, 1, 2].map((k) => position[3 * i + k] + sign * world.parts.half[i] * axes[9 * i + 3 * k + 2])),
}));

function fromAbove(view, world, scene, place) {
  const { ctx, size, color, at } = view, cell = (world.cell / world.half_width / 2) * size;
  ctx.fillStyle = color("line");
  for (const [x, y] of world.walls) {
    const [left, top] = at(...place(x - world.cell / 2, y + world.cell / 2));
    ctx.fillRect(left, top, cell + 0.5, cell + 0.5);
  }
  const [goalX, goalY] = place(...scene.goal), reach = world.reach / world.half_width;
  circle(view, goalX, goalY, reach, color("c2"), "");
  words(view, "goal", at(goalX, 0)[0], at(0, goalY - reach)[1] + 11, "center");
  for (const { path, reached, fallen } of scene.ways) {
    const way = path.filter((_, i) => i % WAY === 0 || i === path.length - 1).map(([x, y]) => place(x, y));
    const ink = color(reached ? "sample" : fallen ? "path" : "muted");
    line(view, way, ink, 1, 0.6);
    if (!reached) cross(view, ...way[way.length - 1], ink);
  }
  if (scene.path.length > 1) line(view, scene.path.map(([x, y]) => place(x, y)), color("sample"), 1.75);
  ctx.lineCap = "round";
  for (const { radius, ends } of partsOf(world, scene.pose)) {
    line(view, ends.map(([x, y]) => place(x, y)), color("fg"), (2 * radius * size) / (2 * world.half_width));
  }
  ctx.lineCap = "butt";
  words(view, scene.clock, 8, size - 12, "left");
}

// Seen along the y axis. The red line is the torso's up: it points down when the ant lies on its back.
function fromTheSide(view, world, pose, { left, top, width, height }) {
  const { ctx, color } = view, scale = width / (2 * SIDE_HALF_WIDTH), ground = top + height - 22;
  const at = ([x, , z]) => [left + width / 2 + scale * (x - pose.position[0]), ground - scale * z];
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.fillStyle = color("road");
  ctx.fillRect(left, ground, width, height);
  ctx.lineCap = "round";
  const parts = partsOf(world, pose).sort((a, b) => b.ends[0][1] + b.ends[1][1] - a.ends[0][1] - a.ends[1][1]); // far first
  for (const { radius, ends } of parts) stroke(ctx, ends.map(at), color(ends[0][1] > pose.position[1] ? "muted" : "fg"), 2 * radius * scale);
  const up = [0, 1, 2].map((k) => pose.position[k] + 0.5 * pose.axes[3 * k + 2]);
  stroke(ctx, [at(pose.position), at(up)], color("path"), 3);
  ctx.restore();
  words(view, "from the side", left + 6, top + height - 10, "left");
}

function stroke(ctx, [from, to], ink, width) {
  ctx.strokeStyle = ink;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

// A column a motor, from -1 at the bottom to 1 at the top, a dot for each action.
function torques(view, drawn, { left, top, width, height }) {
  const { ctx, color } = view, low = top + height - 28, high = top + 8, count = drawn[0]?.length ?? 0;
  const column = (j) => left + ((j + 0.5) * width) / count, row = (v) => low + ((v + 1) / 2) * (high - low);
  for (const v of [-1, 0, 1]) {
    stroke(ctx, [[left, row(v)], [left + width, row(v)]], color("line"), 1);
    words(view, String(v), left - 5, row(v), "right");
  }
  ctx.fillStyle = color("sample");
  ctx.globalAlpha = drawn.length > 1 ? 0.5 : 1;
  for (const action of drawn) {
    action.forEach((v, j) => {
      ctx.beginPath();
      ctx.arc(column(j), row(v), drawn.length > 1 ? 2.2 : 4, 0, 2 * Math.PI);
      ctx.fill();
    });
  }
  ctx.globalAlpha = 1;
  words(view, "its torques", left + width / 2, top + height - 10, "center");
}

function words({ ctx, color }, text, x, y, align) {
  ctx.fillStyle = color("fg");
  ctx.font = "13px system-ui, sans-serif";
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.fillText(text, x, y);
}
