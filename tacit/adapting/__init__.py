"""From an encoder to a model for a task: fine-tuning, and what the model is worth on parts it has not seen."""
