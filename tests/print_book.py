"""The built book as one PDF, a bookmark for each page: `make book`, then `python tests/print_book.py OUT.pdf`.

Chromium prints what it shows, with the figures as they stand at first; pypdf binds the pages. (Sphinx's builders of a
single page or of LaTeX know neither our figures nor the drop-down solutions, which are printed open.)
"""

import io
import sys
from pathlib import Path

from browser import open_chromium
from pages import READY, SITE, TYPESET, page_names
from pypdf import PdfWriter

STYLE = """pre { white-space: pre-wrap !important; font-size: 8pt !important; }
.cell_input, .cell_output, .admonition, .gtp-figure, .pst-scrollable-table-container { break-inside: avoid; }
h2, h3 { break-after: avoid; }"""
FOR_PAPER = """() => {
    document.documentElement.dataset.theme = "light";
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const box of document.querySelectorAll(".toggle-hidden")) box.classList.remove("toggle-hidden");
    for (const link of document.querySelectorAll("a[href]")) {
        if (link.protocol === "file:") link.removeAttribute("href");
    }
}"""


def print_book(out: Path, browser) -> int:
    """Writes the PDF and returns its number of pages. FileNotFoundError if the book is not built."""
    book, margin = PdfWriter(), dict.fromkeys(("top", "bottom", "left", "right"), "15mm")
    page = browser.new_page(viewport={"width": 900, "height": 1200}, color_scheme="light")
    for name in page_names():
        file = SITE / f"{name}.html"
        if not file.exists():
            raise FileNotFoundError(f"{file} is not there: run make book first")
        page.goto(file.as_uri())
        page.wait_for_function(READY)
        page.wait_for_function(TYPESET)
        page.evaluate(FOR_PAPER)
        page.add_style_tag(content=STYLE)
        title = page.locator("article h1").first.inner_text().rstrip("#").strip()
        printed = page.pdf(format="A4", margin=margin, print_background=True)
        book.append(io.BytesIO(printed), outline_item=title, import_outline=False)
    page.close()
    book.compress_identical_objects()
    out.parent.mkdir(parents=True, exist_ok=True)
    book.write(out)
    return len(book.pages)


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/gtp_mini.pdf")
    with open_chromium() as chromium:
        print(f"wrote {path}: {print_book(path, chromium)} pages")
