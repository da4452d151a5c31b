"""The book to print: every page is in it, under its title, and nothing of the machine that printed it."""

from pages import page_names
from print_book import print_book
from pypdf import PdfReader


def test_the_pdf_has_every_page_with_its_solutions_and_no_path_of_this_machine(browser, tmp_path):
    file = tmp_path / "book.pdf"
    count = print_book(file, browser)
    reader = PdfReader(file)
    assert len(reader.pages) == count > 2 * len(page_names())
    titles = [item.title for item in reader.outline]
    assert len(titles) == len(page_names()) and "1. From noise to data" in titles
    notes = [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]
    links = [note.get("/A", {}).get("/URI", "") for note in notes]
    assert not any(str(link).startswith("file:") for link in links)
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert "Quiz" in text and "the ant never falls" in text  # the last words of a solution that a reader has to open
