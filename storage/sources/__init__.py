"""Where datasets come from: folders, archives, manifests, Parquet, COCO."""
