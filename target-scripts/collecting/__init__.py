"""What collectors have in common. Python standard library only."""
