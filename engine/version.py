"""The version of the engine's results."""

#: Raised whenever the same scenario gives other numbers than before: stored results then count no
#: more and are computed anew.
RESULT_VERSION = 2
