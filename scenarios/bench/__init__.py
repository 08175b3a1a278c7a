"""Measuring: the engine on fixed workloads, beside PyTorch and this machine's limits.

workloads.py says what is run and how good is good enough, floors.py what no program can do without.
engine.py and pytorch.py are the rivals; timing.py, memory.py and growth.py measure, each in a
process of its own that children.py starts; run.py does it all for one workload after another.
"""
