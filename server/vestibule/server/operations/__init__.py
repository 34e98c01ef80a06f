"""What an operator does with a data folder: back up, restore, transfer, examine."""
