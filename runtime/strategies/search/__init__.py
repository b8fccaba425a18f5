"""Finding tools by words: what a text says, which words mean the same, and how well a tool fits a query."""
