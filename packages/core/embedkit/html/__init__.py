"""HTML pages that load nothing: the report and the concept graph are made with it."""
