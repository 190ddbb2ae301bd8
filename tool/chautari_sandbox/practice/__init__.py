"""Practice faults: what volunteers break, find and repair in a sandbox."""
