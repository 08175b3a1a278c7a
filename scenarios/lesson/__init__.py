"""The lesson: why gradients vanish and explode, a page at a time, every number computed live.

A page is a file in pages/ and its registration there. It holds no terminal: `read` gives blocks of
text, formulas and figures, which the command line and the app draw alike.
"""
