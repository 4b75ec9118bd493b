"""Makes the weights of the bundled extractor: ``make train-extractor DATA=FOLDER``."""
