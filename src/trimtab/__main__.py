"""`python -m trimtab`, and the program `trimtab`."""

from trimtab.faces.cli.main import main

if __name__ == "__main__":
    main()
