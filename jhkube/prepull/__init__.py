"""Images on the nodes before anybody asks: which, where, how they get there, and what came of it."""
