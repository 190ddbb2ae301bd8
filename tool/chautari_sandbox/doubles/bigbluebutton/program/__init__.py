"""Double of BigBlueButton: one program serves the parts that upstream writes in five languages."""
