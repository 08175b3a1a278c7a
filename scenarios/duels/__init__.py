"""Duels: two to four scenarios side by side, on the same axes.

from scenarios.duels.definition import load_duel

for panel in load_duel("lstm-gru-rnn").panels:
    print(panel.title, panel.scenario.network.kind)
"""
