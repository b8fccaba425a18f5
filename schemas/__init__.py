"""The contract between compiler and runtime: the plan's shape and its meaning; imports nothing else of ours."""
