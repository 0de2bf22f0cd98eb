"""`python -m servicecert_cli` is the command `servicecert`: it starts services with the same Python."""

from .main import main

if __name__ == "__main__":
    main(prog_name="servicecert")
