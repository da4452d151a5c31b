// The triangle of all jumps, from noise level t down to s: where a model is taught, how far it is off, and one jump.

const WORST = 0, BEST = -3; // powers of ten of the error, from full colour to none
const MARGIN = 34; // pixels, for the axes' labels

export function mount(element, spec) {
  const figure = openFigure(element), { root, stage, panel, canvas } = figure;
  const levels = spec.levels, last = levels.length - 1, exact = decode(spec.exact), count = exact.length / levels.length;
  const models = spec.models.map(({ name, landed, taught }) => ({ name, landed: decode(landed), taught: decode(taught) }));
  const state = { model: 0, t: spec.start[0], s: spec.start[1] };
  stage.classList.add("gtp-wide");
  root.dataset.kind = "pictures";

  const at = (level, m) => exact[level * count + m];
  const size = (level) => Math.sqrt(Array.from({ length: count }, (_, m) => at(level, m) ** 2).reduce((a, b) => a + b) / count);
  const sizes = levels.map((_, level) => size(level));
  // Jumps are stored row by row: to 0 from 1, then to 0 and 1 from 2, and so on.
  const landing = (t, s, m) => models[state.model].landed[((t * (t - 1)) / 2 + s) * count + m];
  const error = (t, s) => {
    let sum = 0;
    for (let m = 0; m < count; m++) sum += (landing(t, s, m) - at(s, m)) ** 2;
    return Math.sqrt(sum / count) / sizes[s];
  };

  let view = null; // where the two pictures are, for clicks
  function show() {
    const width = canvas.clientWidth || 320, beside = width >= 480;
    const side = beside ? (width - 16) / 2 : width, height = beside ? side : 2 * side + 16;
    canvas.style.aspectRatio = `${width} / ${height}`;
    const ratio = window.devicePixelRatio || 1, ctx = canvas.getContext("2d"), style = getComputedStyle(canvas);
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const color = (name) => style.getPropertyValue(`--gtp-${name}`).trim();
    ctx.fillStyle = color("bg");
    ctx.fillRect(0, 0, width, height);
    ctx.font = "13px system-ui, sans-serif";
    view = { left: MARGIN, top: 8, cell: (side - MARGIN - 8) / (last + 1), side };
    triangle(ctx, color);
    ctx.translate(beside ? side + 16 : 0, beside ? 0 : side + 16);
    trajectories(ctx, color, side);
  }

  function label(ctx, color, words, x, y, align = "center") {
    ctx.fillStyle = color("fg");
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.fillText(words, x, y);
  }

  function triangle(ctx, color) {
    const { left, top, cell, side } = view, bottom = top + cell * (last + 1);
    const corner = (t, s) => [left + t * cell, bottom - (s + 1) * cell];
    for (let t = 0; t <= last; t++) {
      for (let s = 0; s <= t; s++) {
        const [x, y] = corner(t, s);
        ctx.fillStyle = color("road");
        ctx.fillRect(x, y, cell - 1, cell - 1);
        if (s < t) {
          const strength = (Math.log10(error(t, s) + 1e-9) - BEST) / (WORST - BEST);
          ctx.globalAlpha = Math.min(Math.max(strength, 0), 1);
          ctx.fillStyle = color("path");
          ctx.fillRect(x, y, cell - 1, cell - 1);
          ctx.globalAlpha = 1;
        }
        const taught = models[state.model].taught[(t * (t + 1)) / 2 + s];
        if (taught > 0) {
          ctx.fillStyle = color("fg");
          ctx.beginPath();
          ctx.arc(x + (cell - 1) / 2, y + (cell - 1) / 2, Math.max(0.9, 0.42 * cell * Math.sqrt(taught)), 0, 2 * Math.PI);
          ctx.fill();
        }
      }
    }
    const [x, y] = corner(state.t, state.s);
    ctx.strokeStyle = color("sample");
    ctx.lineWidth = 3;
    ctx.strokeRect(x - 1, y - 1, cell + 1, cell + 1);
    axis(ctx, color, left, bottom, cell, "from t");
    label(ctx, color, "to s", left - 6, bottom - last * 0.75 * cell, "right");
    for (const level of [0, Math.round(last / 2), last]) {
      label(ctx, color, say(level), left - 6, bottom - (level + 0.5) * cell, "right");
    }
  }

  const say = (level) => (level === 0 ? "0" : levels[level].toPrecision(level === last ? 2 : 1).replace(/\.0$/, ""));
  function axis(ctx, color, left, bottom, cell, name) {
    for (const level of [0, Math.round(last / 2), last]) label(ctx, color, say(level), left + (level + 0.5) * cell, bottom + 10);
    label(ctx, color, name, left + cell * last * 0.75, bottom + 10);
  }

  // The ODE's own ways, each level drawn as wide as the data, and one jump of the model.
  function trajectories(ctx, color, side) {
    const { top, cell } = view, left = MARGIN, bottom = top + cell * (last + 1), middle = (top + bottom) / 2;
    const place = (level, value) => [left + (level + 0.5) * cell, middle - (value / sizes[level]) * (bottom - top) / 5.2];
    const line = (points, name, width) => {
      ctx.strokeStyle = color(name);
      ctx.lineWidth = width;
      ctx.beginPath();
      points.forEach((p, i) => (i ? ctx.lineTo(...p) : ctx.moveTo(...p)));
      ctx.stroke();
    };
    const dot = (point, name, radius) => {
      ctx.fillStyle = color(name);
      ctx.beginPath();
      ctx.arc(...point, radius, 0, 2 * Math.PI);
      ctx.fill();
    };
    for (let m = 0; m < count; m++) {
      line(levels.map((_, level) => place(level, at(level, m))), "data", 1);
      if (state.s < state.t) line([place(state.t, at(state.t, m)), place(state.s, landing(state.t, state.s, m))], "path", 1.25);
    }
    for (let m = 0; m < count; m++) {
      dot(place(state.t, at(state.t, m)), "fg", 2.2);
      dot(place(state.s, at(state.s, m)), "data", 3.2);
      if (state.s < state.t) dot(place(state.s, landing(state.t, state.s, m)), "sample", 2.2);
    }
    axis(ctx, color, left, bottom, cell, "noise level");
  }

  function update() {
    const { t, s } = state, model = models[state.model], level = (i) => (i === 0 ? "0" : levels[i].toPrecision(2));
    const taught = model.taught[(t * (t + 1)) / 2 + s] > 0 ? "It is taught here." : "It is not taught here.";
    const off = s < t ? `its points land ${error(t, s).toPrecision(2)} of their spread away from where the ODE takes them`
                      : "nothing moves, and the network is the denoiser";
    show();
    tellInWords(figure, `${model.name}, jump from t = ${level(t)} to s = ${level(s)}: ${off}. ${taught}`);
    root.dataset.state = "ready";
  }

  if (models.length > 1) choice(panel, "Model", models.map((m) => m.name), (i) => { state.model = i; update(); });
  const options = { min: 0, max: last, step: 1, say: (i) => (i === 0 ? "0" : levels[i].toPrecision(2)) };
  const move = (input, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input"));
  };
  const from = slider(panel, { label: "From noise level t", value: state.t, ...options }, (v) => {
    state.t = v;
    if (state.s > v) move(to, v);
    update();
  });
  const to = slider(panel, { label: "To noise level s", value: state.s, ...options }, (v) => {
    state.s = v;
    if (state.t < v) move(from, v);
    update();
  });
  canvas.addEventListener("click", ({ offsetX, offsetY }) => {
    const { left, top, cell, side } = view;
    const t = Math.floor((offsetX - left) / cell), s = last - Math.floor((offsetY - top) / cell);
    if (offsetX > side || t > last || s < 0 || s > t) return;
    move(to, Math.min(s, state.t));
    move(from, t);
    move(to, s);
  });
  legend(panel, [["path", "error of a jump: the fainter the smaller"], ["fg", "taught"]]);
  legend(panel, [["fg", "start"], ["path", "the jump"], ["sample", "the model's end"], ["data", "the ODE"]]);
  panel.append(figure.words);
  const stopWatching = watchPage(root, show, canvas);
  update();
  return stopWatching;
}

export default { render: ({ model, el }) => mount(el, model.get("_spec")) };
