"""Fakes that are part of the product: what the test suites, and anybody who builds on deskhand, run against."""
