"""What became of the test images, in the report: the classes most confused, and calibration."""
