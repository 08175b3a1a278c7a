"""The Map screen: a sweep over two fields as a phase diagram that fills in live."""
