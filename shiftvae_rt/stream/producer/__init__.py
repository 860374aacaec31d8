"""The acquisition's side: frames and scan lines are offered, and each has an outcome."""
