"""``python -m deskhand``: the same as the command ``deskhand``."""

from deskhand.cli import main

if __name__ == "__main__":
    main(prog_name="deskhand")
