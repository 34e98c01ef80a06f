"""`python -m vestibule.client`: the same as `vestibule`."""

from vestibule.client.cli import main


main()
