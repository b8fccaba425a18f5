"""Strategies that installed packages bring: what is recorded of them, and whether the settings of a mesh fit."""
