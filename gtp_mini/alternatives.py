"""Text alternatives for the pictures of the book: the words that say what is to be seen in them."""

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


def _is_output(node: nodes.Node) -> bool:
    while node := node.parent:
        if "cell_output" in node.get("classes", ()):
            return True
    return False
