"""A whole region on one machine: its nodes as containers, and a simulated internet."""
