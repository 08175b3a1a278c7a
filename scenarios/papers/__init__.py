"""What papers measured, run again: sets of scenarios, each with the paper's result beside ours.

from scenarios.papers.definition import load_set

for entry in load_set("li-2018-adding").entries:
    print(entry.name, entry.paper, entry.scenario.training.steps)
"""
