// Starts a deck: a slide that is too full for the screen is drawn smaller. Formulas are set first, for they have a size.

const WIDTH = 1280, HEIGHT = 720;

function fit(slide) {
  if (!slide || slide.classList.contains("stack")) return;
  slide.style.zoom = 1;
  const least = 0.55, wanted = Math.min(HEIGHT / slide.scrollHeight, WIDTH / slide.scrollWidth);
  if (wanted < 1) slide.style.zoom = Math.max(wanted, least);
}

const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
ready.then(() => Reveal.initialize({
  width: WIDTH, height: HEIGHT, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes],
})).then(() => {
  fit(Reveal.getCurrentSlide());
  Reveal.on("slidechanged", ({ currentSlide }) => fit(currentSlide));
});
