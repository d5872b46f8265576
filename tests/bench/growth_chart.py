"""How growth.py shows its figures: tables in Markdown, and a chart of one small panel per command as SVG."""
import math
from xml.sax.saxutils import escape

# What is drawn in a panel, and the pitch of panels.
WIDTH, HEIGHT, ACROSS, DOWN, COLUMNS, MARGIN = 124, 56, 160, 92, 6, 30
# Of each server, on light and on dark ground.
COLOURS = [("#0969da", "#58a6ff"), ("#bc4c00", "#f0883e"), ("#1a7f37", "#3fb950"), ("#8250df", "#bc8cff")]


def markdown(data, names, growth, limits):
    lines = []
    for title, entry in data.items():
        sizes = sizes_of(entry)
        lines += ["", f"**{title}**", ""] if lines else [f"**{title}**", ""]
        heading = ["command", "documented", *map(short, sizes), *(f"growth, {name}" for name in names)]
        lines += ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
        for name, row in entry["cases"].items():
            grown = [growth(costs) if (costs := costs_of(row, server)) else None for server in names]
            cells = [" / ".join(figure(costs_of(row, server).get(size)) for server in names) for size in sizes]
            marks = ["" if much is None else f"**{much:.1f}**" if much > limits[row["documented"]] else f"{much:.1f}" for much in grown]
            lines.append("| " + " | ".join([name, row["documented"], *cells, *marks]) + " |")
    return "\n".join(lines) + "\n"


def sizes_of(entry):
    return sorted({int(size) for row in entry["cases"].values() for costs in row["costs"].values() for size in costs})


def costs_of(row, server):
    return {int(size): cost for size, cost in row["costs"].get(server, {}).items()}


def figure(cost):
    return "-" if cost is None else f"{cost:.2f}" if cost < 9.995 else f"{cost:,.1f}" if cost < 99.95 else f"{cost:,.0f}"


def short(size):
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


class Axes:
    """Size to the right, cost upwards, both logarithmic, the same in all panels. What exceeds 100 us is cut off."""

    def __init__(self, data):
        costs = [cost for entry in data.values() for row in entry["cases"].values() for server in row["costs"].values() for cost in server.values()]
        self.bottom, self.top = math.floor(math.log10(min(costs)) * 2) / 2, min(math.ceil(math.log10(max(costs)) * 2) / 2, 2)
        self.sizes = sorted({size for entry in data.values() for size in sizes_of(entry)})
        self.first = math.log10(self.sizes[0])
        self.decades = max(math.log10(self.sizes[-1]) - self.first, 1)

    def right(self, size):
        return (math.log10(size) - self.first) / self.decades * WIDTH

    def down(self, cost):
        return HEIGHT - (math.log10(cost) - self.bottom) / (self.top - self.bottom) * HEIGHT

    def drawn(self):
        parts = [f'<defs><clipPath id="inside"><rect y="-1" width="{WIDTH}" height="{HEIGHT + 2}"/></clipPath><g id="axes">']
        for power in range(math.ceil(self.bottom), math.floor(self.top) + 1):
            level = self.down(10.0 ** power)
            parts.append(f'<path class="grid" d="M0 {level:.1f}h{WIDTH}"/>' + text(-4, level + 3, f"{10.0 ** power:g}", anchor="end"))
        parts.append(text(0, HEIGHT + 12, short(self.sizes[0])))
        parts.append(text(self.right(self.sizes[-1]), HEIGHT + 12, short(self.sizes[-1]), anchor="end"))
        # As steep as the cost of what visits every element.
        rise = self.top - self.bottom
        parts.append(f'<path class="linear" d="M{WIDTH - rise / self.decades * WIDTH:.1f} {HEIGHT}L{WIDTH} 0"/>')
        return "".join(parts) + "</g></defs>"


def svg(data, names):
    axes, body, y = Axes(data), [], 52
    for title, entry in data.items():
        body.append(text(MARGIN, y, title, "title"))
        y += 26
        for place, (name, row) in enumerate(entry["cases"].items()):
            x = MARGIN + place % COLUMNS * ACROSS
            body.append(f'<g transform="translate({x} {y + place // COLUMNS * DOWN})">{panel(axes, name, row, names)}</g>')
        y += math.ceil(len(entry["cases"]) / COLUMNS) * DOWN + 12
    width = MARGIN + COLUMNS * ACROSS - 8
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img">',
        "<title>CPU time per command by the size of the collection</title>",
        style(len(names)), axes.drawn(), legend(names), *body, "</svg>\n",
    ])


def style(count):
    light, dark = (
        "".join(f".s{i} {{ stroke: {pair[which]}; }} .f{i} {{ fill: {pair[which]}; }} " for i, pair in enumerate(COLOURS[:count]))
        for which in (0, 1)
    )
    return f"""<style>
text {{ font: 10px system-ui, sans-serif; fill: #57606a; }}
.title {{ font-size: 15px; font-weight: 600; fill: #24292f; }}
.name {{ fill: #24292f; }}
.grid, .linear {{ fill: none; stroke: #8c959f; stroke-width: 0.5; opacity: 0.6; }}
.linear {{ stroke-dasharray: 1.5 2.5; stroke-width: 0.8; }}
.line {{ fill: none; stroke-width: 1.6; stroke-linejoin: round; }}
{light}
@media (prefers-color-scheme: dark) {{
text {{ fill: #8d96a0; }}
.title, .name {{ fill: #e6edf3; }}
{dark}
}}
</style>"""


def legend(names):
    parts, x = [], MARGIN
    for i, name in enumerate(names):
        parts.append(f'<path class="line s{i}" d="M{x} 15h22"/>' + text(x + 28, 19, name, f"f{i}"))
        x += 48 + 7 * len(name)
    said = "\u00b5s of CPU per command, by the number of elements; both axes are logarithmic; dotted: the slope of linear time"
    return "\n".join([*parts, text(x, 19, said)])


def panel(axes, name, row, names):
    parts = [text(0, -6, name, "name"), '<use href="#axes"/>']
    for i, server in reversed(list(enumerate(names))):
        points = sorted(costs_of(row, server).items())
        if points:
            line = "L".join(f"{axes.right(size):.1f} {axes.down(cost):.1f}" for size, cost in points)
            parts.append(f'<path class="line s{i}" clip-path="url(#inside)" d="M{line}"/>')
    return "".join(parts)


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    anchor = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:.1f}"{kind}{anchor}>{escape(words)}</text>'
