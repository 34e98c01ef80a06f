"""What the repository itself needs: it writes the generated documents."""
