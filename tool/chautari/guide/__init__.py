"""Sequences of commands that a person carries out, with the names of their own region in them."""
