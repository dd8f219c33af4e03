"""How Cauce runs elsewhere than on a developer's machine, and the check of it."""
