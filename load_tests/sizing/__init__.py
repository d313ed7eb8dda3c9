"""What many memories of many owners need: measured costs of one, a plan for all, and where the first wall stands."""
