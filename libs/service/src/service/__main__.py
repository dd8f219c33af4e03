"""`python -m service run partner`: the same commands as `cauce`."""

from service.cli import main

main()
