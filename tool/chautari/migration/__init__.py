"""`deploy migrate`: what an update of the toolkit changes in a region's file."""
