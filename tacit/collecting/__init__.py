"""Episodes from environments of reinforcement learning."""
