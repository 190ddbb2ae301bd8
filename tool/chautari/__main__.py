"""`python -m chautari` is the `deploy` command."""

from chautari.cli.main import main

main()
