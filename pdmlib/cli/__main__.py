"""`python -m pdmlib.cli`: the `pdm` command of the code that Python finds first."""

from pdmlib.cli.main import main

main()
