"""The gradient engine: arrays in, gradient fields out. Knows no file and no terminal."""
