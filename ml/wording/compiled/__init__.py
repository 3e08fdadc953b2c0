"""The catalogues of ml/wording as Python's own tables; `python -m tests.catalogues` writes them."""
