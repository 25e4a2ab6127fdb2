"""Every published sweep has the published values, or a difference with a reason, which the docs page shows."""

from dataclasses import replace

import pytest

from core.options import flatten
from launch.sweep import Sweep
from tasks.options import resolve
from tests.published.pages import PAGES, ROOT, block, renewed
from tests.published.table import Difference, More, Published, complaints, expected

ROWS = {name: (page, published) for page in PAGES for name, published in page.sweeps.items()}
FILES = sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


def points_of(name):
    return [flatten(point.options) for point in Sweep.read(ROOT / "sweeps" / f"{name}.yaml").points(resolve, "runs")]


def test_every_sweep_has_one_row():
    assert sorted(ROWS) == FILES
    assert sum(len(page.sweeps) for page in PAGES) == len(ROWS)


@pytest.mark.parametrize("name", FILES)
def test_its_points_are_the_published_ones(name):
    page, published = ROWS[name]
    assert published.source
    assert not complaints(published, tuple(page.free), points_of(name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_its_page_shows_the_differences(page):
    reasons = [one.why for published in page.sweeps.values() for one in (*published.differs, *published.more)]
    assert all(reasons) and all(page.free.values()) and all(page.absent.values())
    assert renewed(page) == (ROOT / page.path).read_text(), "python -m tests.published.pages"
    for published in page.sweeps.values():
        for one in published.differs:
            assert f"| `{one.option}` |" in block(page) and one.why in block(page)


# The comparison itself must be able to fail.


@pytest.mark.parametrize("name", ("edge_popup_dense", "supsup_batch_ensemble", "dm_math_lin1d"))
def test_no_value_of_the_table_can_be_another(name):
    page, published = ROWS[name]
    points = points_of(name)
    for option in expected(published)[0]:
        changed = [point | {option: "another"} for point in points]
        said = complaints(published, tuple(page.free), changed)
        assert any(option in words for words in said), option


def test_a_point_too_many_or_too_few_is_said():
    published = Published("somewhere", {"lr": [0.1, 0.2], "seed": 1})
    points = [{"lr": lr, "seed": 1} for lr in (0.1, 0.2)]
    assert complaints(published, (), points) == []
    assert complaints(published, (), points[:1]) == ["missing: lr=0.2"]
    assert complaints(published, (), [*points, {"lr": 0.3, "seed": 1}]) == ["lr is 0.3, published 0.1"]


def test_an_option_that_the_table_forgets_is_said():
    published = Published("somewhere", {"lr": 0.1})
    assert complaints(published, (), [{"lr": 0.1, "mask.lr": 1}]) == [
        "mask.lr is an option of the task that the table does not mention"
    ]
    assert complaints(published, ("mask.*",), [{"lr": 0.1, "mask.lr": 1}]) == []
    assert complaints(published, (), [{}])[0] == "lr is in the table and no option"


def test_values_that_belong_together_stay_together():
    published = Published("somewhere", {"seed": [1, 2]}, together=({"a": 1, "b": 3}, {"a": 2, "b": 4}))
    assert [(one["a"], one["b"], one["seed"]) for one in expected(published)] == [
        (1, 3, 1), (1, 3, 2), (2, 4, 1), (2, 4, 2)
    ]  # fmt: skip
    assert complaints(published, (), [{"a": a, "b": b, "seed": s} for a in (1, 2) for b in (3, 4) for s in (1, 2)])


def test_differences_and_points_of_our_own():
    published = Published(
        "somewhere", {"scale": ["none", "theirs"], "seed": "none"},
        differs=(Difference("scale", "theirs", "ours", "why"), Difference("seed", "none", [1, 2], "why")),
        more=(More({"scale": "more", "seed": 1}, "why"),),
    )  # fmt: skip
    found = [(one["scale"], one["seed"]) for one in expected(published)]
    assert found == [("none", 1), ("none", 2), ("ours", 1), ("ours", 2), ("more", 1)]
    with pytest.raises(ValueError, match="apply nowhere"):
        expected(replace(published, differs=(Difference("scale", "gone", "ours", "why"),)))
    with pytest.raises(ValueError, match="no difference"):
        expected(replace(published, differs=(Difference("scale", "none", "none", "why"),)))
