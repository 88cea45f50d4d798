"""What `aape data` shows: what is known, whether it is whole, and what was guessed."""
