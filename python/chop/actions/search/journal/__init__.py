"""A study on disk: the record that the same command continues."""
