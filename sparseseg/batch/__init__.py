"""One model over a folder of volumes: resumable, reported, within a stated memory."""
