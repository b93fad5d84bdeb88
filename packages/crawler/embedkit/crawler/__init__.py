"""The crawler: glossary pages and MediaWiki pages to `glossary.csv`.

from embedkit.crawler import CrawlOptions, crawl

result = crawl(CrawlOptions(from_file=["data/pages"], output="data/glossary.csv"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedkit.crawler.output.files import CrawlResult as CrawlResult
    from embedkit.crawler.run.crawl import crawl as crawl
    from embedkit.crawler.run.options import CrawlOptions as CrawlOptions

# A folder imports only itself and those before it.
FOLDERS = ("fetch", "extract", "formats", "sources", "output", "run")
__all__ = ("CrawlOptions", "CrawlResult", "crawl")


def __getattr__(name: str) -> Any:
    """Load the work when it is asked for: `embedkit --help` needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("embedkit.crawler.run.crawl"), name)
