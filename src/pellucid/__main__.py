"""`python -m pellucid`: the command line, where the command itself is not on the path."""

from pellucid.cli.main import main

if __name__ == "__main__":
    main()
