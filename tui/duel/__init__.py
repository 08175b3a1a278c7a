"""Scenarios side by side in small multiples, all live."""
