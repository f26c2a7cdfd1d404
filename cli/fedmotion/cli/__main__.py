"""`python -m fedmotion.cli`, by which programs of the demo start each other."""

from fedmotion.cli.main import main

main()
