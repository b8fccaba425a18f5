"""Renderings of the difference between two plans: text, JSON, markdown, HTML and SARIF, none with a judgement of its own."""
