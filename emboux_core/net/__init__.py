"""Talking to other servers: HTTP, the guard against private addresses, and what went wrong."""
