"""From settings and frames to a trained model: objective, optimiser, calibration, scores."""
