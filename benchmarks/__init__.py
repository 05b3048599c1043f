"""What things cost, as ratios in one run: `python -m benchmarks` lists them."""
