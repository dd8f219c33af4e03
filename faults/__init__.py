"""Real services under faults, and the proof that nothing was lost and nothing happened twice."""
