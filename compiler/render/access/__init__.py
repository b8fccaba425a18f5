"""Answers about access, for people and for programs."""
