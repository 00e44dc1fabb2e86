"""Networks, losses and augmentation in torch: no files, no threads."""
