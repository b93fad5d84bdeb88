"""Reports: what an evaluation found, as a page, as Markdown and as tables."""
