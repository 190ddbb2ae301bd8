"""Generates the reference pages, the schema of `region.yml`, the playbook, the services' list."""
