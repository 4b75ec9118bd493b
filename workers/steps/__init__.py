"""The steps of the pipeline: scan, embed, seal, analyse, report."""
