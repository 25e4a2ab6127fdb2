"""Shared by all figures: the style, the header that states where the numbers come from, and atomic writes of its files.

A figure is a module `paper/<system>/plot_<name>.py` with a `PLOT`; `python -m paper.run_all` finds it.
Pictures are drawn through matplotlib's object interface, so no display and no LaTeX is needed.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from core.files import write_atomic
from paper.measure import PERCENT, Measure, Row, seeds_note
from paper.results import Group

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito's colours, distinguishable with any kind of colour vision
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = COLOURS
DARK, GREY = "#222222", "#767676"
DASHES: dict[str, Any] = {"color": DARK, "linestyle": (0, (3, 1.5)), "linewidth": 1.4}
STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": DARK,
    "ytick.color": DARK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.07,
    "figure.constrained_layout.h_pad": 0.07,
    "figure.facecolor": "white",
    "text.usetex": False,
    "pdf.fonttype": 42,  # fonts as outlines that editors and publishers accept
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}
DPI = 200


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What a module `paper/<system>/plot_<name>.py` says of its figure, as `PLOT`.

    Attributes:
        table: (runs, --set's choices) -> the numbers of one picture; [] when the runs have none of them.
        draw: draws the table.
        title: heading of the figure.
        caption: what is shown, how it was measured, and what is left out.
        family: heading that it stands under in the index.
        order: place under that heading.
        sweeps: those it reads, without small/; their laptop-sized twins are read as well. () of one that is drawn on
            demand alone (`paper.subnetwork_report`).
        per: one picture per "group" (sweep and options) or per "scale" (published, small).
        free: options, besides the seed, that may differ within a group.
        options: what --set can choose, name -> allowed.
        paper: what the paper reports, "" where nothing is known here.
        name: of the module without plot_, and of the folder of its pictures; `paper.run_all.discover` fills it in.
    """

    table: Callable[..., list[Row]]
    draw: Callable[[list[Row]], Figure]
    title: str
    caption: str
    family: str
    order: int
    sweeps: tuple[str, ...]
    per: Literal["group", "scale"] = "scale"
    free: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paper: str = ""
    name: str = ""


def figure(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of this size in inches and its axes."""
    fig = Figure(figsize=(width, height))
    return fig, fig.subplots(1, columns, **options)


def legend(axes: Axes, chance: str = "") -> None:
    """Put the legend above the axes, with an entry for the dashes of chance at its end."""
    handles, labels = _entries(axes, chance)
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(labels),
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.6,
    )


def legend_below(fig: Figure, axes: Axes, chance: str = "", columns: int = 0) -> None:
    """Put the legend of one panel below all of them, in as many columns as fit unless specified."""
    handles, labels = _entries(axes, chance)
    columns = columns or (4 if fig.get_figwidth() > 7.2 else 2)
    fig.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=1.6, columnspacing=1.6)


def _entries(axes: Axes, chance: str) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    dashes = [Line2D([], [], **DASHES)] if chance else []
    return [*handles, *dashes], [*labels, *([chance] if chance else [])]


def layer_ticks(axes: Axes, positions: Sequence[float], layers: Sequence[str]) -> None:
    """Label the x axis with layers, e.g. "LSTM 1 input" on two lines."""
    axes.set_xticks(positions, ["\n".join(layer.rsplit(" ", 1)) for layer in layers])
    axes.set_xlim(positions[0] - 0.6, positions[-1] + 0.6)
    axes.set_xlabel("layer")


def per_cent(axes: Axes, label: str, rows: Sequence[Row] | None = None) -> None:
    """Give the y axis per cent: 0 to 100, or no further than the table's largest single value needs."""
    cells = [cell for row in rows or () for cell in row.values() if isinstance(cell, Measure)]
    largest = max((v for cell in cells if cell.unit == PERCENT for v in cell.values), default=1.0)
    most = min(max(math.ceil(5 * largest), 1), 5) * 20
    axes.set_ylim(0, most * 1.04)
    axes.set_yticks(range(0, most + 1, 20 if most > 40 else 10 if most > 20 else 5))
    axes.set_ylabel(label)


def render(plot: Plot, rows: list[Row], group: Group) -> dict[str, bytes]:
    """Return the picture as "png" and "pdf"; the same table always gives the same bytes."""
    with matplotlib.rc_context(STYLE):
        fig = plot.draw(rows)
        count = f"{len(group.runs)} runs" if len(group.runs) == group.expected else group.count
        label = f"{group.label} ({count})" if group.runs else group.label
        source = "; ".join(filter(None, [label, seeds_note(rows)]))
        _head(fig, plot.title, fill(source, int(14 * fig.get_figwidth())))
        files = {}
        for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            fig.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
            files[kind] = buffer.getvalue()
    return files


def _head(fig: Figure, title: str, source: str) -> None:
    # one text keeps the room for all lines, the other stands over its lower lines in grey
    whole = fig.suptitle(
        title + "\n" * (source.count("\n") + 1), x=0.012, ha="left", fontsize=11, color=DARK, linespacing=1.25
    )
    small: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": 8.5, "color": GREY}
    note = Annotation(source, (0, 0), xycoords=whole, annotation_clip=False, **small)
    note.set_in_layout(False)
    fig.add_artist(note)


def write(folder: Path, name: str, files: Mapping[str, bytes], record: Mapping[str, Any]) -> Path:
    """Write <name>.png, .pdf, .csv and .json into `folder`, each atomically; return the picture's path."""
    rows = record["rows"]
    for kind, data in files.items():
        write_atomic(folder / f"{name}.{kind}", data)
    write_atomic(folder / f"{name}.csv", as_csv(rows).encode())
    plain = dict(record) | {"rows": [{column: _plain(cell) for column, cell in row.items()} for row in rows]}
    write_atomic(folder / f"{name}.json", (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode())
    return folder / f"{name}.png"


def as_csv(rows: Sequence[Row]) -> str:
    """Return the table with three columns (mean, sd, n) for every measured one."""
    buffer = io.StringIO()
    flat = []
    for row in rows:
        cells: dict[str, Any] = {}
        for column, cell in row.items():
            if isinstance(cell, Measure):
                mean, sd = ("" if math.isnan(number) else number for number in (cell.mean, cell.sd))
                cells |= {f"{column} (mean)": mean, f"{column} (sd)": sd, f"{column} (n)": cell.n}
            else:
                cells[column] = cell
        flat.append(cells)
    writer = csv.DictWriter(buffer, list(dict.fromkeys(column for cells in flat for column in cells)))
    writer.writeheader()
    writer.writerows(flat)
    return buffer.getvalue()


def _plain(cell: Any) -> Any:
    if not isinstance(cell, Measure):
        return cell
    mean, sd = (None if math.isnan(v) else v for v in (cell.mean, cell.sd))
    numbers = {"mean": mean, "sd": sd, "n": cell.n, "values": list(cell.values), "seeds": list(cell.seeds)}
    return numbers | {"unit": cell.unit, "text": cell.text()}
