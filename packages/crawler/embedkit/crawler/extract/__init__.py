"""The extractor: one module per structure in which pages pair terms with definitions."""
