"""`python -m esent`: the command, where its script is not on the path."""

from esent.cli.main import main

if __name__ == "__main__":
    main()
