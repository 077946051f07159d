"""Learning to act: values of actions on top of an encoder."""
