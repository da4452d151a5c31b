// What every figure has: a picture, a panel of controls, words that say what is seen; and the page that it stands on.

const FRAME_BUDGET_MS = 9; // of the 16 that a frame has, drawing among them: a long computation goes on in the next frame

export function openFigure(element) {
  const root = make("figure", "gtp-figure"), stage = make("div", "gtp-stage"), panel = make("div", "gtp-panel");
  const canvas = make("canvas", "gtp-canvas"), words = make("p", "gtp-words");
  canvas.setAttribute("role", "img");
  words.setAttribute("aria-live", "polite");
  stage.append(canvas);
  root.append(stage, panel);
  element.replaceChildren(root);
  return { root, stage, panel, canvas, words };
}

// What is seen, in words: below the controls, and for those who cannot see the picture.
export function tellInWords({ canvas, words }, text) {
  words.textContent = text;
  canvas.setAttribute("aria-label", text);
}

// Colours follow the page: the book's theme, JupyterLab's, or the system's. Sizes follow the column.
function watchPage(root, redraw, canvas) {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    const book = document.documentElement.dataset.theme, lab = document.body.dataset.jpThemeLight;
    const dark = book ? book === "dark" : lab ? lab === "false" : system.matches;
    root.classList.toggle("gtp-dark", dark);
    if (root.dataset.state) redraw();
  };
  const attributes = new MutationObserver(follow), size = new ResizeObserver(() => root.dataset.state && redraw());
  attributes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  attributes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  system.addEventListener("change", follow);
  size.observe(canvas);
  follow();
  return () => { attributes.disconnect(); size.disconnect(); system.removeEventListener("change", follow); };
}
