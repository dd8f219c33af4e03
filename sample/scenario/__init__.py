"""A made-up story on top of the sample: what the five services do beside what the real inspections lead to."""
