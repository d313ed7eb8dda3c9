"""What measures the peers: data set, worker processes, schedule, thresholds and tables."""
