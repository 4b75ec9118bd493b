"""Renderings of a Report: HTML, JSON, terminal text; and Arrow tables as CSV."""

from audit.render.csv import csv_blocks, render_csv
from audit.render.html import render_html, render_section, script, stylesheet
from audit.render.text import render_summary, report_json

__all__ = [
    "csv_blocks",
    "render_csv",
    "render_html",
    "render_section",
    "render_summary",
    "report_json",
    "script",
    "stylesheet",
]
