"""The demo and experiments: the real agents and aggregator, put together on one machine."""
