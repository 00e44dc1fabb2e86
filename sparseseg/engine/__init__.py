"""What trains and segments: the one job that window, commands, batch and Python share."""
