"""Reports of a run: terminal, progress, JSON, JUnit and one HTML page."""
