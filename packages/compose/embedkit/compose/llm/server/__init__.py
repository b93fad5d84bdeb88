"""A language model behind an endpoint: where it is, what it is asked, what it has answered before, what it costs."""
