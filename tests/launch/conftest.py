from pathlib import Path

import pytest


@pytest.fixture
def sweep_file(tmp_path):
    """Write a sweep file; returns its path."""

    def write(text: str, name: str = "toy.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
