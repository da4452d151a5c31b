// What a reader takes hold of: sliders, a choice of model, a switch, buttons; and what they read beside the picture.

const make = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
let controlsMade = 0; // for ids that are unique on the page

function labelled(input, text) {
  const label = make("label", "", text);
  input.dataset.lmSuppressShortcuts = "true"; // in JupyterLab arrow keys would move between cells, not the slider
  label.htmlFor = input.id = `gtp-control-${(controlsMade += 1)}-${Math.random().toString(36).slice(2, 8)}`;
  return label;
}

// A native range input: it has the keyboard, touch and screen readers already. `say` turns a value into words.
export function slider(panel, { label, min, max, step, value, say }, onInput) {
  const input = Object.assign(make("input", "gtp-slider"), { type: "range", min, max, step });
  input.value = value; // after the limits, which would clip it
  const row = make("div", "gtp-control"), words = make("output", "gtp-value");
  const tell = () => {
    words.textContent = say(Number(input.value));
    input.setAttribute("aria-valuetext", words.textContent);
  };
  row.append(labelled(input, label), words, input);
  words.htmlFor = input.id;
  input.addEventListener("input", () => { tell(); onInput(Number(input.value)); });
  panel.append(row);
  tell();
  return input;
}

export function choice(panel, label, names, onInput) {
  const select = make("select", "gtp-choice"), row = make("div", "gtp-control");
  names.forEach((name, i) => select.append(new Option(name, i)));
  row.append(labelled(select, label), select);
  select.addEventListener("input", () => onInput(Number(select.value)));
  panel.append(row);
}

export function toggle(panel, label, checked, onInput) {
  const input = Object.assign(make("input", ""), { type: "checkbox", checked }), row = make("div", "gtp-toggle");
  row.append(input, labelled(input, label));
  input.addEventListener("input", () => onInput(input.checked));
  panel.append(row);
}

// Buttons in a row, from [text, what a press does]; returns them.
export function buttons(panel, entries) {
  const row = make("div", "gtp-buttons"), made = entries.map(([text, onPress]) => {
    const button = Object.assign(make("button", "gtp-button", text), { type: "button" });
    button.dataset.lmSuppressShortcuts = "true";
    button.addEventListener("click", onPress);
    return button;
  });
  row.append(...made);
  panel.append(row);
  return made;
}

// A table in a box; nothing where there are no rows.
export function table(box, head, rows) {
  const grid = make("table", "gtp-table"), row = (kind, cells) => {
    const line = make("tr", "");
    line.append(...cells.map((text) => make(kind, "", String(text))));
    return line;
  };
  grid.append(row("th", head), ...rows.map((cells) => row("td", cells)));
  box.replaceChildren(...(rows.length ? [grid] : []));
}

// A bar chart: rows of { name, share, exact }, shares in [0, 1]; a tick marks the exact share where there is one.
export function bars(box, rows) {
  box.replaceChildren(...rows.map(({ name, share, exact }, i) => {
    const row = make("div", "gtp-bar"), track = make("span", "gtp-track");
    row.style.setProperty("--gtp-colour", `var(--gtp-c${i % 6})`);
    track.append(make("span", "gtp-fill"));
    track.firstChild.style.width = `${100 * share}%`;
    if (exact !== undefined) {
      track.append(make("span", "gtp-tick"));
      track.lastChild.style.left = `${100 * exact}%`;
    }
    row.append(make("span", "gtp-name", `${i + 1} ${name}`), track, make("span", "gtp-share", percent(share)));
    return row;
  }));
}

export function legend(panel, entries) {
  const line = make("p", "gtp-legend");
  for (const [colour, text, shape = ""] of entries) { // a dot, or the shape of another class
    const mark = make("span", `gtp-mark ${shape}`);
    mark.style.background = `var(--gtp-${colour})`;
    const entry = make("span", "gtp-entry");
    entry.append(mark, text);
    line.append(entry);
  }
  panel.append(line);
}

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
export const jumpsInWords = (steps) => (steps === 1 ? "1 jump" : `${steps} jumps`);
export { make };
