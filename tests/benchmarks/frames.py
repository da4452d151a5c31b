"""How long a frame of each figure in the book takes in headless Chromium, in ms: python tests/benchmarks/frames.py

Every slider of every figure is moved through its range, and every button pressed; a frame is what the page computes
between two pictures, an event's handler included. 16.7 ms are 60 frames a second. `make book` first.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import open_chromium  # noqa: E402
from pages import READY, SITE, figures_on, page_names  # noqa: E402

from gtp_mini.book import markdown  # noqa: E402

WATCH = """
window.frames_ms = [];
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (callback) => request((time) => {
    const start = performance.now();
    callback(time);
    window.frames_ms.push(performance.now() - start);
});
"""
MOVE = """async (figure) => {
    window.frames_ms = [];
    for (const slider of figure.querySelectorAll("input[type=range]")) {
        const low = Number(slider.min), high = Number(slider.max), step = Number(slider.step) || 1;
        for (let i = 0; i <= 30; i++) {
            slider.value = low + Math.round((high - low) * i / 30 / step) * step;
            const start = performance.now();
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            window.frames_ms.push(performance.now() - start);
            await new Promise((done) => setTimeout(done, 20));
        }
    }
    for (const button of figure.querySelectorAll("button")) {
        const start = performance.now();
        button.click();
        window.frames_ms.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 3000));
    }
    return window.frames_ms.sort((a, b) => a - b);
}"""


def main() -> None:
    rows = []
    with open_chromium() as browser:
        for name in filter(figures_on, page_names()):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.add_init_script(WATCH)
            page.goto((SITE / f"{name}.html").as_uri())
            page.wait_for_function(READY)
            for number, figure in enumerate(page.locator(".gtp-figure").all(), start=1):
                times = figure.evaluate(MOVE)
                rows.append({"page": name, "figure": number, "kind": figure.get_attribute("data-kind"),
                             "frames": len(times), "median": times[len(times) // 2],
                             "95 %": times[int(0.95 * (len(times) - 1))], "longest": times[-1]})
            page.close()
    print(markdown(rows))


if __name__ == "__main__":
    main()
