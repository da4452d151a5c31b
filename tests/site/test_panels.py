"""What lies around the text: the contents on a phone, and the buttons above."""

import pytest

CONTENTS = ".bd-sidebar-secondary"


@pytest.fixture
def phone(visit):
    page = visit("the_data", width=390).page
    page.locator("button.secondary-toggle:visible").first.click()
    page.locator(f"{CONTENTS} a:visible").first.wait_for()
    return page


def test_a_choice_puts_the_contents_away(phone):
    phone.locator(f"{CONTENTS} a:visible").last.click()
    phone.locator(CONTENTS).wait_for(state="hidden")
    assert "#" in phone.url


def test_escape_puts_the_contents_away(phone):
    phone.keyboard.press("Escape")
    phone.locator(CONTENTS).wait_for(state="hidden")


def test_a_notebook_is_kept_and_not_shown_as_text(visit):
    page = visit("the_data").page
    for link in page.locator('a[href*="_sources/"]').all():
        assert link.get_attribute("download") is not None and link.get_attribute("target") == "_blank"


def test_pages_of_words_alone_are_not_opened_elsewhere(visit):
    assert visit("the_data").page.locator(".dropdown-open-elsewhere").count() == 1
    assert visit("glossary").page.locator(".dropdown-open-elsewhere").count() == 0
