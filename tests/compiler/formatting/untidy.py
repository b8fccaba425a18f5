"""YAML as people leave it: odd indentation, comments everywhere, flow in block, block scalars, long lines, CRLF."""

from hypothesis import strategies as st

WORDS = ["notes", "tickets", "a b", "https://x.example/mcp#top", "x:y", "-z", "v1", "get_*", "long " * 40 + "end"]
PLAIN = [word for word in WORDS if word != "get_*"] + ["12", "true", "~", "1.5"]
ODD = st.sampled_from([0, 1, 1, 1, 2, 5])


class Writer:
    """Draws one document; every comment is unique, so that a lost or moved one is seen."""

    def __init__(self, draw):
        self.draw = draw
        self.lines = []
        self.comments = 0
        self.keys = 0

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in):
        return self.draw(st.integers(1, one_in)) == 1

    def gap(self, *, tabs=False):
        return "\t" if tabs and self.chance(15) else " " * max(1, self.draw(ODD))

    def comment(self):
        self.comments += 1
        return f"#{self.pick('', ' ', '   ')}c{self.comments}{self.pick('', ' - x: {', '  ')}"

    def end(self):
        """What may end any line."""
        if self.chance(4):
            return self.gap(tabs=True) + self.comment()
        return self.pick("", "", "", " ", "   ", "\t")

    def between(self, deepest):
        """Lines of their own; after a block scalar only what stands less deep than it is a comment."""
        for _ in range(self.pick(0, 0, 0, 0, 1, 1, 2)):
            kind = self.pick("blank", "blanks", "comment", "comment")
            if kind == "comment":
                self.lines.append(" " * self.draw(st.integers(0, deepest)) + self.comment())
            else:
                self.lines += [self.pick("", "", " "), ""][: 1 if kind == "blank" else 2]

    def key(self):
        self.keys += 1
        return self.pick(f"k{self.keys}", f'"k {self.keys}"', f"'k{self.keys}'", f"k {self.keys}")

    def mapping(self, column, depth, head=None):
        """Entries at ``column``; ``head`` is the line that the first one goes on. Returns whether a block scalar ends it."""
        after_block = False
        for number in range(self.draw(st.integers(1, 3))):
            if number or head is None:
                self.between(column if after_block else column + self.draw(st.integers(0, 6)))
                start = " " * column
            else:
                start = head
            if self.chance(12):
                self.lines.append(f"{start}?{self.gap()}{self.key()}{self.end()}")
                after_block = self.value(f"{' ' * column}:", column, depth)
            else:
                after_block = self.value(f"{start}{self.key()}{self.pick('', '', ' ')}:", column, depth)
        return after_block

    def sequence(self, column, depth, head=None):
        after_block = False
        for number in range(self.draw(st.integers(1, 3))):
            if number or head is None:
                self.between(column if after_block else column + self.draw(st.integers(0, 6)))
                start = " " * column + "-"
            else:
                start = head + "-"
            kind = self.pick("value", "value", "inline", "inline") if depth else "value"
            if kind == "value":
                after_block = self.value(start, column, depth, item=True)
            else:
                start += " " * max(1, self.draw(ODD))
                after_block = self.pick(self.mapping, self.sequence)(len(start), depth - 1, start)
        return after_block

    def value(self, start, column, depth, *, item=False):
        """A value after `:` or `-`, on its line or below."""
        kind = self.pick("plain", "plain", "quoted", "flow", "folded", "block", "map", "seq", "nothing", "below")
        deeper = column + self.draw(st.integers(1, 5))
        if kind in ("map", "seq") and depth:
            self.lines.append(start + self.end())
            if kind == "map":
                return self.mapping(deeper, depth - 1)
            return self.sequence(column if not item and self.chance(2) else deeper, depth - 1)
        if kind == "block":
            self.block(start, column)
            return True
        if kind == "flow":
            self.flow(start + self.gap(), column, 2)
        elif kind == "folded":
            self.folded(start + self.gap(), column)
        elif kind == "below":
            self.lines += [start + self.end(), " " * deeper + self.pick(*PLAIN) + self.end()]
        elif kind == "nothing":
            self.lines.append(start + self.end())
        else:
            self.lines.append(start + self.gap() + self.scalar(kind) + self.end())
        return False

    def scalar(self, kind="any"):
        if kind == "plain":
            return self.pick(*PLAIN)
        return self.pick('"a # b"', "'it''s'", '"\\u00e9\\n"', "''", '"012"', '"{x: 1}"')

    def folded(self, start, column):
        quote = self.pick("", "'", '"')
        lines = [
            self.pick("one", "two: #x" if quote else "two", "- three") for _ in range(self.draw(st.integers(2, 4)))
        ]
        lines[0] = start + quote + "first"
        for number in range(1, len(lines)):
            lines[number] = " " * (column + self.draw(st.integers(1, 6))) + lines[number]
        if self.chance(3):
            lines.insert(1, self.pick("", "   "))
        if quote == '"':
            lines[0] += self.pick("", " \\", "\\ ", " \\\\ ")
        lines[-2] += self.pick("", "  ")
        self.lines += lines
        self.lines[-1] += quote + self.end()

    def block(self, start, column):
        explicit = self.chance(3)
        width = self.draw(st.integers(1, 4))
        sign = self.pick("", "", "-", "+")
        digits = str(width) if explicit else ""
        header = self.pick("|", ">") + self.pick(digits + sign, sign + digits)
        self.lines.append(start + self.gap() + header + self.end())
        lines = [
            self.pick("text", "# no comment", "- x:", "\ttab", "trail  ") for _ in range(self.draw(st.integers(1, 4)))
        ]
        if explicit:
            lines[0] = "  " + lines[0]
        for number in range(1, len(lines)):
            lines[number] = self.pick("", "", "  ", " \t") + lines[number]
        lines = [" " * (column + width) + line for line in lines]
        lines[1:1] = self.pick([], [], [""], ["", "  "[:column]])
        self.lines += lines + self.pick([], [], [""], ["", " " * column, ""])

    def flow(self, start, column, depth):
        """A flow collection that may break its lines anywhere."""
        self.lines.append(start)
        self.flow_value(column, depth)
        self.lines[-1] += self.end()

    def flow_value(self, column, depth):
        if not depth or self.chance(3):
            self.lines[-1] += (
                self.scalar(self.pick("quoted", "quoted")) if self.chance(2) else self.pick("x", "12", "a b")
            )
            return
        opener, closer = self.pick("{}", "[]")
        self.lines[-1] += opener
        count = self.draw(st.integers(0, 3))
        for number in range(count):
            self.wander(column)
            if opener == "{":
                self.keys += 1
                self.lines[-1] += f"f{self.keys}{self.pick('', ' ')}:{self.pick(' ', '   ')}"
                if self.chance(8):
                    self.lines[-1] += " "
                else:
                    self.flow_value(column, depth - 1)
            else:
                self.flow_value(column, depth - 1)
            self.wander(column)
            if number < count - 1 or self.chance(4):
                self.lines[-1] += ","
        self.wander(column)
        self.lines[-1] += closer

    def wander(self, column):
        """Blanks, or a new line with or without comments before it."""
        if self.chance(5):
            self.lines[-1] += self.end()
            if self.chance(4):
                self.lines.append(" " * self.draw(st.integers(0, 9)) + self.comment())
            if self.chance(6):
                self.lines.append("")
            self.lines.append(" " * (column + self.draw(st.integers(1, 7))))
        else:
            self.lines[-1] += self.pick("", " ", "  ")


@st.composite
def documents(draw):
    """A document of one mapping."""
    writer = Writer(draw)
    if writer.chance(6):
        writer.lines.append(writer.pick("---", "--- # start", "%YAML 1.2\n---"))
    writer.mapping(0 if not writer.chance(5) else 2, 3)
    if writer.chance(8):
        writer.lines.append("..." + writer.end())
    text = "\n".join(writer.lines) + writer.pick("\n", "\n", "\n", "", "\n\n\n", "  ", "\n  ")
    return writer.pick("", "", "\ufeff") + text.replace("\n", writer.pick("\n", "\n", "\r\n"))
