"""`python -m abnormal`: the command line."""

from abnormal.cli import main

if __name__ == "__main__":
    main()
