"""Names of pictures are never the same for two different things, on any file system."""

import itertools
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from paper.names import LONGEST, file_name, short

WORDS = st.one_of(
    st.sampled_from([
        "", ".", "..", "/", "a", "A", "a_b", "a-b", "a__b", "_a", "a_", "a/b", "small/a", "small_a", "small/small/a",
        "é", "e\u0301", "1,1", "1x2", "1x2,1x2", "trial", "set.rate-last", "con", " ", "\n", "\0", "x" * 300, "~",
        "%2F", "a.b",
    ]),
    st.text(max_size=8), st.text(alphabet="aA_-.,x12/", max_size=6),
)  # fmt: skip
OPTIONS = st.lists(st.tuples(WORDS, WORDS), max_size=3)
IDENTITIES = st.tuples(WORDS, OPTIONS, st.dictionaries(WORDS, WORDS, max_size=5))
FREE = {"mask.penalty": "0.5"}


@settings(max_examples=400, deadline=None)
@given(IDENTITIES, IDENTITIES)
@example(("small/a", [], {}), ("small_a", [], {}))
@example(("a", [("train.steps", "400")], {}), ("a", [("mask.steps", "400")], {}))
@example(("a", [("b_c", "1")], {}), ("a_b", [("c", "1")], {}))
@example(("a", [("b", "1")], {}), ("a__b-1", [], {}))
@example(("a", [("b", "X")], {}), ("a", [("b", "x")], {}))
@example(("a", [("b", "1,1")], {}), ("a", [("b", "1x2")], {}))
@example(("a", [("b", "c/d")], {}), ("a", [("b", "c\\d")], {}))
@example(("a", [("b", "y" * 500)], {}), ("a", [("b", "y" * 501)], {}))
@example(("a", [], FREE), ("a", list(FREE.items()), {}))
@example(("a", [], FREE), ("a__trial", list(FREE.items()), {}))
@example(("a", [], dict.fromkeys("abcde", "1")), ("a", [], dict.fromkeys("abcdf", "1")))
def test_two_things_have_two_names(one, other):
    same = (one[0], one[1], list(one[2].items())) == (other[0], other[1], list(other[2].items()))
    assert (file_name(*one).casefold() == file_name(*other).casefold()) == same


@settings(deadline=None)
@given(IDENTITIES)
def test_a_name_is_safe_everywhere(identity):
    name = file_name(*identity)
    assert re.fullmatch(r"[a-z0-9._,+~-]+", name) and len(name) <= LONGEST + 13
    assert not name.startswith((".", "-"))  # neither hidden nor an option


def test_usual_names_can_be_read():
    assert file_name("small/tuple_ff") == "small_tuple_ff"
    options = [("tuple.mode", "same_io"), ("layer_sizes", "800,800,800"), ("mask.lr", "1e-05")]
    assert file_name("tuple_rnn", options) == "tuple_rnn__tuple.mode-same_io__layer_sizes-800x3__mask.lr-1e-05"
    assert file_name("a", trial={"train.steps": "40"}) == "a__trial__train.steps-40"
    assert re.fullmatch(r"a__trial__5-options~[0-9a-f]{12}", file_name("a", trial=dict.fromkeys("abcde", "1")))
    steps = (file_name("a", [(f"{group}.steps", "400")]) for group in ("train", "mask"))
    assert all(a != b for a, b in itertools.pairwise(steps))


def test_short_texts():
    assert (short("800,800,800"), short("8,4"), short("together")) == ("800x3", "8,4", "together")
