"""What a message holds that must not be kept or sent: rules only, no model, no network."""
