# Recipes for just (https://just.systems), which is a convenience: each is one command that also runs by itself.

python := ".venv/bin/python"

# What a change is judged by, in under a minute; words are given to pytest
check *words:
    bash .ci/check {{ words }}

# Every test, as the README's second block runs them
test *words:
    {{ python }} -m pytest -n auto --dist loadfile {{ words }}

# Style that can be mended by itself
fix:
    {{ python }} -m ruff check --fix .
    {{ python }} -m ruff format .

# A figure of the README's measured anew, as in `just benchmark startup`
benchmark *words:
    {{ python }} -m scripts.benchmark {{ words }}

# Everything that must hold before a change is taken, in an environment made anew
everything:
    .ci/run
