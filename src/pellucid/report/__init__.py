"""Floor 0: any result as a document: one schema, one page that draws it, Markdown."""
