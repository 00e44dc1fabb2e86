"""The honest score: what slices that a model has not seen say of its predictions."""
