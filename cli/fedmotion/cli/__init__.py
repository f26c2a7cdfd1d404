"""The one command, fedmotion."""
