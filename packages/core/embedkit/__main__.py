"""The command `embedkit`, also as `python -m embedkit`: Ctrl-C while it is being loaded is no traceback either."""

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from embedkit.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
