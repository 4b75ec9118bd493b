"""In which settings each class is shown: where settings come from, verdicts with bounds, and what they cost a model."""
