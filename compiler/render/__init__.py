"""Renderings for people and machines, each from a view model and none with rules of its own."""
