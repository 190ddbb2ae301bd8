"""Deploys a region: survey, prepare, converge, check, report."""
