"""Which documented keys are in rows of the history, as each system's sweeps name them in `metric:`."""

import pytest

from tasks.logged_keys import only_summarised


@pytest.mark.parametrize(
    ("task", "rows", "once"),
    [
        ("tuple_ff", "control/valid/accuracy/total", "final/control/valid/accuracy/total"),
        ("scan", "train/loss", "final/network/valid/accuracy/total"),
        ("edge_popup", "scores/train/loss", "final/valid/accuracy"),
        ("supsup", "learn/loss", "final/accuracy"),
        ("cnn_elcn", "cnn/valid/accuracy", "cnn/sharpness"),
        ("induction_math", "base/valid/accuracy", "final/subnet/400/last"),
        ("induction_vision", "base/loss", "final/subnet/0/shape_bias"),
    ],
)
def test_a_system_has_both_kinds(task, rows, once):
    assert only_summarised(task, rows) == ""
    assert f"measures {once!r} once, at the end" in only_summarised(task, once)
    assert only_summarised(task, "no/such/key") == ""  # is said by another check
