"""How pages pair terms with definitions: one module per structure, each from the page to a `Group` of entries."""
