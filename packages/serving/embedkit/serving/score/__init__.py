"""The serving core: a request in OpenAI's form to an answer in OpenAI's form. Needs neither torch nor a web framework.

from embedkit.serving.score import load

scorer = load("exports/cfg")                       # onnxruntime and tokenizers
scorer.answer({"input": ["PWM", "펄스 폭 변조"]})   # raises RequestError, which has a status and a body

`embedkit serve` and every target of `embedkit deploy` parse, limit and answer with this.
"""

from embedkit.serving.score.answers import Encoded as Encoded
from embedkit.serving.score.answers import embeddings_answer as embeddings_answer
from embedkit.serving.score.requests import EmbeddingRequest as EmbeddingRequest
from embedkit.serving.score.requests import Limits as Limits
from embedkit.serving.score.requests import RequestError as RequestError
from embedkit.serving.score.requests import parse_request as parse_request
from embedkit.serving.score.scorer import ExportScorer as ExportScorer
from embedkit.serving.score.scorer import load as load
