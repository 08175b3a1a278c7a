"""Sweeps: many scenarios that differ along axes, run as stacks, resumed, drawn as a phase diagram.

A sweep file (definition.py, axes.py) names a base scenario and what varies; grid.py turns it into
cells; stack.py runs cells of one shape as one stacked network; executors.py hands batches of them
to processes here, cluster.py to a Dask cluster; run.py ties them to the run store, worker.py does
so beside the app; estimate.py says beforehand how long it takes; diagram.py reduces the results
over seeds to a phase diagram; events.py puts all of it into JSON lines.
"""
