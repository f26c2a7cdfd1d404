"""Rounds, strategies, the store and the service that runs them."""
