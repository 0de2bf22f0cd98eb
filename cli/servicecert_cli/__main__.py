"""`python -m servicecert_cli` is the command `servicecert`: how the services are started as processes of the same Python."""

from .main import main

if __name__ == "__main__":
    main(prog_name="servicecert")
