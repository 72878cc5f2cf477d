"""Peers."""
def installed(size, home):
    return []
