"""The slow readable twin: every formula of the methods page in plain loops, independent of the package.

It is the oracle the fast code is compared with, so it is written to be obviously right, never to be quick. Arrays are
plain NumPy, one firm at a time; a missing value is NaN. `models.py` makes one `fit` (a dict) per event and firm, all
other modules read such dicts. Section numbers in the docstrings are those of the methods page.
"""
