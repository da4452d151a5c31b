// A picture for every position of the sliders, made beforehand.

export function mount(element, spec) {
  const figure = openFigure(element), { root, stage, panel, canvas, words } = figure, [width, height] = spec.size;
  const pictures = spec.pictures.map((picture) => Object.assign(new Image(), { src: `data:image/png;base64,${picture}` }));
  const at = spec.sliders.map((s) => s.start);
  let wanted = -1;
  Object.assign(canvas, { width, height });
  canvas.style.aspectRatio = `${width} / ${height}`;
  if (!spec.colour_map) canvas.classList.add("gtp-printed");
  if (width > 1.3 * height) stage.classList.add("gtp-wide", "gtp-movable");
  root.dataset.kind = "pictures";

  async function turn() {
    const page = at.reduce((before, position, i) => before * spec.sliders[i].values.length + position, 0);
    root.dataset.state = "busy";
    wanted = page;
    await pictures[page].decode();
    if (wanted !== page) return; // the reader has turned on
    canvas.getContext("2d").drawImage(pictures[page], 0, 0);
    tellInWords(figure, spec.words[page]);
    root.dataset.state = "ready";
  }

  spec.sliders.forEach(({ label, values }, i) => {
    slider(panel, { label, min: 0, max: values.length - 1, step: 1, value: at[i], say: (k) => values[k] },
           (k) => { at[i] = k; turn(); });
  });
  panel.append(words);
  const stopWatching = watchPage(root, () => {}, canvas);
  turn();
  return stopWatching;
}

export default { render: ({ model, el }) => mount(el, model.get("_spec")) };
