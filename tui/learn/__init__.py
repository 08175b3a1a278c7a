"""The lesson on a terminal: blocks to lines, and the screen that shows them."""
