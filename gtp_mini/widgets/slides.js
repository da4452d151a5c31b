// Starts a deck: a slide that is too full for the screen is drawn smaller. Formulas are set first, for they have a size.

const WIDTH = 1280, HEIGHT = 720, LEAST = 0.55;

function fit(slide) {
  if (!slide || slide.classList.contains("stack")) return;
  let zoom = slide.style.zoom = 1;
  for (let round = 0; round < 5; round++) { // drawn smaller, lines break elsewhere: look again
    const over = Math.max(slide.scrollHeight * zoom / HEIGHT, slide.scrollWidth * zoom / WIDTH);
    if (over <= 1) return;
    slide.style.zoom = zoom = Math.max(zoom / over, LEAST);
  }
}

const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
ready.then(() => Reveal.initialize({
  width: WIDTH, height: HEIGHT, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes],
})).then(() => {
  fit(Reveal.getCurrentSlide());
  Reveal.on("slidechanged", ({ currentSlide }) => fit(currentSlide));
});
