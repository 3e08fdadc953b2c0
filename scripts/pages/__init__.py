"""HTML pages from Jinja templates: one frame, one stylesheet, one way to draw a chart."""
