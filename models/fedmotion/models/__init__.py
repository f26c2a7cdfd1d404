"""Specifications, parameters, statistics, windows, features and the model families."""
