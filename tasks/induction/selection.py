"""What selecting a step of a transfer would give; nothing is selected where a number does not say so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Selection:
    """Test accuracy at the best measurement so far: on validation examples, and on the test examples themselves.

    Of equally good ones the last counts, as in the published programs.

    Attributes:
        valid: best validation accuracy.
        test_at_valid, valid_step: test accuracy there, and the step.
        test, test_step: best test accuracy, and its step.
    """

    valid: float = -1.0
    test_at_valid: float = -1.0
    valid_step: int = 0
    test: float = -1.0
    test_step: int = 0

    def note(self, step: int, valid: float, test: float) -> None:
        """Take a measurement into account."""
        if valid >= self.valid:
            self.valid, self.test_at_valid, self.valid_step = valid, test, step
        if test >= self.test:
            self.test, self.test_step = test, step

    def results(self) -> dict[str, float]:
        """Return valid_selected, oracle_selected, and the step of each."""
        return {
            "valid_selected": self.test_at_valid, "valid_selected_step": float(self.valid_step),
            "oracle_selected": self.test, "oracle_selected_step": float(self.test_step),
        }  # fmt: skip
