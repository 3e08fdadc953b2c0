"""Fixtures of the commands' tests."""

from __future__ import annotations

import pytest

from tests.support.accessible import axe_source


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core (tests/support/accessible.py), installed once for all pages that are judged."""
    return axe_source(tmp_path_factory.mktemp("axe"))
