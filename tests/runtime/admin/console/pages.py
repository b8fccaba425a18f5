"""HTML as a tree of what matters: elements, attributes and text, read by the standard library's parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr", "rect", "line"}


@dataclass
class Element:
    name: str
    attributes: dict
    children: list = field(default_factory=list)
    text: str = ""

    def all(self, *names):
        found = [self] if not names or self.name in names else []
        for child in self.children:
            found += child.all(*names)
        return found

    def words(self):
        return " ".join([self.text.strip(), *(child.words() for child in self.children)]).strip()


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open[-1].name == tag, (self.open[-1].name, tag)
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].text += data


def read(html):
    """The tree of a page whose elements are all closed in order."""
    reader = _Reader()
    reader.feed(html.decode() if isinstance(html, bytes) else html)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root
