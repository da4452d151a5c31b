// The pictures, on one canvas. Colours come from the style sheet, so that light and dark pages each have their own.

// A canvas that is as sharp as the screen, with x and y in [-1, 1] mapped to the square at its top by at(). `tall` is its
// height over its width.
export function openCanvas(canvas, tall = 1) {
  const ratio = window.devicePixelRatio || 1, size = canvas.clientWidth || 320;
  if (canvas.width !== Math.round(size * ratio)) {
    Object.assign(canvas, { width: Math.round(size * ratio), height: Math.round(size * tall * ratio) });
  }
  const ctx = canvas.getContext("2d"), style = getComputedStyle(canvas);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  const color = (name) => style.getPropertyValue(`--gtp-${name}`).trim();
  ctx.fillStyle = color("bg");
  ctx.fillRect(0, 0, size, size * tall);
  const at = (x, y) => [(size / 2) * (1 + x), (size / 2) * (1 - y)];
  return { ctx, size, color, at };
}

export function dots({ ctx, at }, points, scale, color, radius, alpha = 1) {
  ctx.fillStyle = color;
  ctx.globalAlpha = alpha;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = at(points[i] * scale, points[i + 1] * scale);
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.globalAlpha = 1;
}

export function line({ ctx, at }, vertices, color, width = 1.25, alpha = 1) {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.globalAlpha = alpha;
  ctx.beginPath();
  vertices.forEach(([x, y], i) => (i ? ctx.lineTo(...at(x, y)) : ctx.moveTo(...at(x, y))));
  ctx.stroke();
  ctx.globalAlpha = 1;
}

export function cross({ ctx, at }, x, y, color) {
  const [cx, cy] = at(x, y), arm = 3.5;
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.75;
  ctx.beginPath();
  for (const slope of [1, -1]) {
    ctx.moveTo(cx - arm, cy - slope * arm);
    ctx.lineTo(cx + arm, cy + slope * arm);
  }
  ctx.stroke();
}

export function circle({ ctx, at, size }, x, y, radius, color, label) {
  const [cx, cy] = at(x, y);
  ctx.strokeStyle = color;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.arc(cx, cy, (radius * size) / 2, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.fillStyle = color;
  ctx.font = "600 14px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  const outside = (radius * size) / 2 + 10; // the label lies beyond the circle, away from the middle
  const length = Math.hypot(x, y) || 1;
  const inside = (v) => Math.min(Math.max(v, 10), size - 10);
  ctx.fillText(label, inside(cx + (x / length) * outside), inside(cy - (y / length) * outside));
}

// Data in the background, samples in front, and the ways that some of them took (lists of points, already scaled).
export function drawSamples(canvas, { data, points, paths, stops, scale, arms }) {
  const view = openCanvas(canvas);
  dots(view, data, scale, view.color("data"), 1.6, 0.55);
  for (const path of paths) line(view, path.map(([x, y]) => [x * scale, y * scale]), view.color("path"), 1, 0.75);
  dots(view, points, scale, view.color("sample"), 2, 0.8);
  dots(view, stops, scale, view.color("path"), 2.2);
  arms.forEach(([x, y], i) => circle(view, x * scale, y * scale, 0.08, view.color(`c${i % 6}`), String(i + 1)));
}

// Goals as numbered circles, each episode's way in the colour of the goal that it reached; a cross where it fell.
export function drawWorld(canvas, world, rollouts) {
  const view = openCanvas(canvas), [cx, cy] = world.centre;
  const place = (x, y) => [(x - cx) / world.half_width, (y - cy) / world.half_width];
  const colour = (goal) => (goal < 0 ? view.color("muted") : view.color(`c${goal % 6}`));
  if (world.road !== null) drawRoads(view, place, world.road);
  rollouts.goal.forEach((goal, i) => {
    const way = rollouts.path.map((p) => place(p[2 * i], p[2 * i + 1]));
    line(view, way, colour(goal), 1.25, 0.8);
    if (goal === FALLEN) cross(view, ...way[way.length - 1], colour(goal));
    else dots(view, way[way.length - 1], 1, colour(goal), 2.4);
  });
  dots(view, place(...world.start), 1, view.color("fg"), 4);
  world.goals.forEach(([x, y], i) => circle(view, ...place(x, y), world.reach / world.half_width, colour(i), String(i + 1)));
}

// Two bands along the axes, across the whole picture.
function drawRoads({ ctx, size, color, at }, place, half) {
  const [left, top] = at(...place(-half, half)), [right, bottom] = at(...place(half, -half));
  ctx.fillStyle = color("road");
  ctx.fillRect(left, 0, right - left, size);
  ctx.fillRect(0, top, size, bottom - top);
}
