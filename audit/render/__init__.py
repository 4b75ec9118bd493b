"""Renderings of a Report: HTML, CSV, Parquet, SVG."""
