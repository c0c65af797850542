"""`python -m daemon.cli`: the same as the command `sovits-daemon`."""

from daemon.cli import main

main()
