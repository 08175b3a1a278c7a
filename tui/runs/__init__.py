"""The Runs screen: what the store holds, to look through, open, compare and tidy up."""
