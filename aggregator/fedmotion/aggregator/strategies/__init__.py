"""How a round's updates become the next parameters: one strategy a file."""
