"""run() for very many pairs: the same definitions and the same tables, without one object a pair.

asked     can this path answer? events as rows, prices as a matrix            asked.py, held.py
placed    day 0 of every row, and which rows have none                        placed.py
lanes     complete rows by the batched kernel, the others pair by pair        lanes.py, slow.py
answers   the registered tests on what the lanes kept of each pair            answers.py
result    the frames and the verdict                                          tables.py, flow.py

Where it cannot answer exactly what `run` would, it hands back None and the usual path runs.
"""

from .flow import LIMIT, run_bulk

__all__ = ["LIMIT", "run_bulk"]
