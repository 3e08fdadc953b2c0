"""Tests of the project as a whole: pages, dependencies, rooms."""
