"""What pages need that their sources do not say: words for pictures, lines that break where they should."""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class TextAlternatives(SphinxPostTransform):
    """A cell's picture is described by the next paragraph that begins with "What to see", else named as what it is."""

    default_priority = 900  # after myst-nb has chosen what of an output is shown

    def run(self, **options) -> None:
        described: list[nodes.image] = []
        for node in self.document.findall(lambda n: isinstance(n, nodes.image | nodes.paragraph | nodes.title)):
            if isinstance(node, nodes.image) and _is_output(node):
                node["alt"] = "A figure, drawn by the code above."
                described.append(node)
            elif isinstance(node, nodes.paragraph) and node.astext().startswith("What to see"):
                for image in described:
                    image["alt"] = " ".join(node.astext().split())
                described.clear()
            elif isinstance(node, nodes.title):
                described.clear()  # the words of another section are not of this picture


class Unbroken(SphinxPostTransform):
    """What stands on one line: a formula and the stop, comma or bracket that touches it; a number and its per cent."""

    default_priority = 900

    def run(self, **options) -> None:
        for formula in list(self.document.findall(nodes.math)):
            line, at = formula.parent, formula.parent.index(formula)
            before, after = (line[i] if 0 <= i < len(line) else None for i in (at - 1, at + 1))
            parts = [formula]
            if isinstance(after, nodes.Text) and (mark := re.match(r"[-.,;:!?)\]'’”]\S*", after)):
                line[at + 1] = nodes.Text(after[mark.end():])
                parts.append(nodes.Text(mark.group()))
            if isinstance(before, nodes.Text) and (mark := re.search(r"\S*[(\[‘“]$", before)):
                line[at - 1] = nodes.Text(before[:mark.start()])
                parts.insert(0, nodes.Text(mark.group()))
            if len(parts) > 1:
                line[at] = nodes.inline("", "", *parts, classes=["unbroken"])
        for text in list(self.document.findall(nodes.Text)):
            close = re.sub(r"(?<=\d) (?=%)|(?<=±) (?=\d)", "\u00a0", text)
            if close != text and not isinstance(text.parent, nodes.FixedTextElement | nodes.literal):
                text.parent.replace(text, nodes.Text(close))


def _is_output(node: nodes.Node) -> bool:
    while node := node.parent:
        if "cell_output" in node.get("classes", ()):
            return True
    return False
