"""The published sweeps, in the originals' words, convert to the points of our own."""

import itertools

import pytest
import yaml

from core.options import flatten
from core.values import as_text
from launch.convert.convert import convert
from launch.sweep import Sweep
from tasks.options import resolve
from tests.published import their_words
from tests.published.pages import PAGES, ROOT
from tests.published.table import expand

ROWS = {name: published for page in PAGES for name, published in page.sweeps.items()}
FILES = their_words.HIDDEN_NETWORKS | their_words.SUPSUP | their_words.UNTYING


def converted(folder, files):
    """Return the sweep of each file."""
    found = []
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / "sieve.yaml").write_text(convert(folder / name))
        found.append(Sweep.read(folder / "sieve.yaml"))
    return found


def resolved(sweep):
    return [flatten(point.options) for point in sweep.points(resolve, "runs")]


def agree(published, points):
    """Assert that the points are those of the table, where a deliberate difference may be as here or as there."""
    wanted = [one for values in published.together for one in expand({**published.values, **values})]
    either = {one.option for one in published.differs}
    names = [name for name in wanted[0] if name not in either]
    assert names

    def of(rows):
        return {tuple((name, row.get(name)) for name in names) for row in rows}

    assert of(points) == of(wanted)
    for one in published.differs:
        allowed = [*(v if isinstance(v := one.here, list) else [v]), *(v if isinstance(v := one.there, list) else [v])]
        elsewhere = [row[one.option] for row in wanted]  # a difference may touch only some points
        if one.option != "seed" and one.there != "required":  # which the original's files do not say
            assert {point[one.option] for point in points} <= {*allowed, *elsewhere}, one.option


@pytest.mark.parametrize("name", their_words.MODULES)
def test_a_sweep_of_modules_is_ours(tmp_path, name):
    ours = Sweep.read(ROOT / "sweeps" / f"{name}.yaml")
    (file,) = their_words.MODULES[name]
    text = yaml.safe_load(their_words.MODULES[name][file])
    repetitions = text["parameters"]["sweep_id_for_grid_search"]
    assert repetitions["values"] == [item.value for item in ours.choices()["seed"]]
    repetitions["values"] = [repetitions["values"][-1]]  # one of each will do: the rest is the same
    (sweep,) = converted(tmp_path, {file: yaml.safe_dump(text)})
    here = ours.with_values({"seed": str(repetitions["values"][0])}).points(resolve, "runs")
    assert {point.signature for point in sweep.points(resolve, "runs")} == {point.signature for point in here}


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_others_are_the_points_of_the_table(tmp_path, name):
    agree(ROWS[name], [point for sweep in converted(tmp_path, FILES[name]) for point in resolved(sweep)])


@pytest.mark.parametrize("name", their_words.INDUCTION)
def test_base_mask_and_transfers_together_are_the_points_of_the_table(tmp_path, name):
    points = []
    parts = [
        [
            {option: as_text(item) for option, item in point.values.items()}
            for number, part in enumerate(files)
            for sweep in converted(tmp_path, {f"{number}.yaml": yaml.safe_dump(part)})
            for point in sweep.points(resolve, "runs")
        ]
        for files in their_words.INDUCTION[name]
    ]
    for one in itertools.product(*parts):
        points.append(flatten(resolve({option: item for part in one for option, item in part.items()})))
    donors = tuple(dict.fromkeys(donor for point in points for donor in point["transfer.donor"]))
    # frozen and trained are two files there and one list here; repeats are five runs of one file
    more = {"transfer.donor": donors, "transfer.repeats": ROWS[name].values["transfer.repeats"]}
    agree(ROWS[name], [point | more for point in points])
