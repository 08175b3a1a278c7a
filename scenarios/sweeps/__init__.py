"""Sweeps: many scenarios that differ along axes, run as stacks, resumed, drawn as a phase diagram.

A sweep file (definition.py, axes.py, reader.py) names a base scenario and what varies; grid.py
turns it into cells; stack.py runs cells of one shape as one stacked network; executors.py hands
batches of them to processes here, cluster.py to a Dask cluster; run.py ties them to the run store;
diagram.py reduces the results over seeds to a phase diagram.
"""
