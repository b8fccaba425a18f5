"""A test run for people, programs and CI."""
