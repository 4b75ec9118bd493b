"""Procedurally drawn pictures with known content: for the demo, for calibration and for tests."""
