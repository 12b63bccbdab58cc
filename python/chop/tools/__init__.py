"""Small services that every layer above may use: errors, files, logging, configs."""
