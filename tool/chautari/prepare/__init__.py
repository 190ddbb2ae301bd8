"""Prepares a bare machine for Ansible, with pyinfra in a process of its own."""
