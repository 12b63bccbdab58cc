"""The command line: options, their merge with a config file, and the actions behind ``ch``."""
