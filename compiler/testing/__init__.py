"""Access tests: `*.mesh-test.yaml` against the very plan that is served, with coverage of rules and rule mutation."""
