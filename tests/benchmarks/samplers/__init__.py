"""How near samplers come to the exact front of a space that was swept."""
