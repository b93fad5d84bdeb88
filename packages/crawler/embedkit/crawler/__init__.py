"""The crawler: glossary pages and MediaWiki pages to `glossary.csv`."""
