"""Event studies of market events."""
