"""What a person chooses: options, the cards of recipes, the settings of a training."""
