"""The command line: one file per command, each with `configure(parser)` and `execute(args)`."""
