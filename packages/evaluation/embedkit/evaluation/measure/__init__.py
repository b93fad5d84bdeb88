"""What is measured: metrics of each query, their intervals, and tests of their differences."""
