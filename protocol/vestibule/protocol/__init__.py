"""The sans-I/O core of `vestibule.1`, shared by broker and client."""
