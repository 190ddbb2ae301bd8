"""The stages of a deploy: preflight, prepare, converge, verify; `pipeline` shows their order."""
