// The figure: controls, a picture, words. In JupyterLab the kernel's model takes over; on a page the browser's does.

export function mount(element, spec, kernel = null) {
  const figure = openFigure(element), { root, panel, canvas } = figure, chart = make("div", "gtp-bars");
  const models = spec.models.map(loadModel), noise = decode(spec.noise);
  const scene = (spec.world ? worldScene : sampleScene)(spec, models, noise);
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = { model: 0, steps: spec.steps, scrub: 1, paths: spec.paths, value: spec.condition?.value };
  const link = kernel && linkTo(kernel, (array) => { scene.accept(state, array); finish("the kernel's model"); });
  let frame = 0;

  const change = (key) => (value) => {
    state[key] = value;
    cancelAnimationFrame(frame);
    root.dataset.state = "busy";
    steps.disabled = models[state.model].kind === "gaussian"; // one draw, whatever K
    frame = requestAnimationFrame(begin);
  };

  function begin() {
    scene.start(state);
    link?.ask(state);
    goOn();
  }

  function goOn() {
    const start = performance.now();
    let done = false;
    while (!done && performance.now() - start < FRAME_BUDGET_MS) done = scene.step();
    if (done) return finish("this browser's");
    if (!calm) scene.show(canvas);
    frame = requestAnimationFrame(goOn);
  }

  function finish(who) {
    cancelAnimationFrame(frame);
    scene.show(canvas);
    const told = scene.tell(state);
    bars(chart, told.rows);
    tellInWords(figure, told.words);
    root.dataset.state = "ready";
    root.dataset.computedBy = who;
    root.dataset.kind = models[state.model].kind;
  }

  if (models.length > 1) choice(panel, "Model", models.map((m) => m.name), change("model"));
  const steps = slider(panel, { label: "Sampling steps K", min: 1, max: spec.max_steps, step: 1, value: state.steps,
                                say: String }, change("steps"));
  if (spec.condition) {
    const { label, low, high, value } = spec.condition;
    slider(panel, { label, min: low, max: high, step: (high - low) / 200, value, say: (v) => v.toFixed(2) }, change("value"));
  }
  if (spec.scrub) {
    const say = (u) => { const t = levelAt(models[state.model], u); return t ? t.toPrecision(2) : "0 (data)"; };
    slider(panel, { label: "Noise level t", min: 0, max: 1, step: 0.005, value: 1, say }, change("scrub"));
  }
  if (!spec.world) toggle(panel, "Show some paths", state.paths, change("paths"));
  const exact = spec.condition?.curve ? [["fg", "exact share", "gtp-upright"]] : [];
  const missed = spec.world?.road ? "reaches no goal (a cross: off the road)" : "reaches no goal";
  legend(panel, spec.world ? [["fg", "start"], ["muted", missed], ...exact]
                           : [["sample", "samples"], ["data", "data"], ["path", "paths"], ...exact]);
  panel.append(chart, figure.words);

  const stopWatching = watchPage(root, () => scene.show(canvas), canvas);
  begin();
  return () => { stopWatching(); link?.close(); cancelAnimationFrame(frame); };
}

// One question to the kernel at a time; while it is busy only the latest state waits.
function linkTo(kernel, accept) {
  let waiting = null, latest = 0, busy = false;
  const send = () => {
    busy = true;
    kernel.set("_request", { ...waiting, id: latest });
    kernel.save_changes();
    waiting = null;
  };
  const receive = () => {
    busy = false;
    const { id, array } = kernel.get("_answer");
    if (waiting) send();
    else if (id === latest) accept(decode(array));
  };
  kernel.on("change:_answer", receive);
  return {
    ask(state) {
      waiting = { ...state };
      latest += 1;
      if (!busy) send();
    },
    close: () => kernel.off("change:_answer", receive),
  };
}

export default { render: ({ model, el }) => mount(el, model.get("_spec"), model) };
