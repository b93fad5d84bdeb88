"""Questions and judgements that a language model writes, by any OpenAI-compatible endpoint: asked, checked, kept."""
