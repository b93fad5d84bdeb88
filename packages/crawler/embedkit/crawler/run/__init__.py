"""One run of crawl: options, plan, dry run, the crawl itself, and its report."""
