"""Known rows: questions for the glossary's own concepts, in words that training did not see, ranked as search ranks."""
