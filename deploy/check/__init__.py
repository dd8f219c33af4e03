"""`make verify-deploy`: that what lies in deploy/ does what is said of it."""
