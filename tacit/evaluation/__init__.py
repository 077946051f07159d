"""What a representation is worth: probes, floors, intervals and a verdict, on tensors of any modality."""
