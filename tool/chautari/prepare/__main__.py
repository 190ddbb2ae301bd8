"""Entry of the child process that runs pyinfra.

gevent replaces parts of the standard library, before they are imported. A process of its own keeps
this away from the rest of the command.
"""

from __future__ import annotations

from gevent import monkey


def main() -> None:
    """Replace the blocking parts of the standard library, then start the work."""
    monkey.patch_all()
    from chautari.prepare import worker

    worker.main()


if __name__ == "__main__":
    main()
