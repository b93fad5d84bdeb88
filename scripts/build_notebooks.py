"""Write notebooks/: each notebook in English and Korean from one source, so that both have the same cells, without outputs.

`--check` says whether they are current. In a text or a piece of code `⟦one|other⟧` is `one` in English, `other` in Korean.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
BADGE = (
    "[![⟦Open in Colab|Colab에서 열기⟧](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)"
    " ⟦In Colab, upload this file and the wheel that `pip wheel --no-deps .` makes in a checkout."
    "|Colab에서는 이 파일과, 저장소에서 `pip wheel --no-deps .`로 만든 wheel을 올리세요.⟧"
)
INSTALL = """import importlib.util
from glob import glob

if importlib.util.find_spec("embedkit") is None:
    wheel = glob("embedkit_toolkit-*.whl")[0]
    %pip install --quiet "{wheel}[train,demo,report]"
"""
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

# The cells of each notebook after the badge and the installation, a text and a piece of code in turn.
NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "1-glossary-to-model": (
        "# ⟦From a glossary to a model|용어집에서 모델까지⟧\n\n"
        "⟦Five minutes on a laptop: a glossary of ten terms becomes training rows, a fine-tuned model and a verdict."
        "|노트북에서 5분이면 됩니다. 용어 열 개짜리 용어집으로 학습용 행을 만들고, 모델을 파인튜닝하고, 판정을 받습니다.⟧",
        """from embedkit.api import Glossary

glossary = Glossary.of(
    [
        {"term": "⟦resistor|저항기⟧", "definition": "⟦a part that limits current|전류를 제한하는 부품⟧"},
        {"term": "⟦capacitor|커패시터⟧", "definition": "⟦a part that stores charge|전하를 저장하는 부품⟧", "aliases": ["⟦condenser|콘덴서⟧"]},
        {"term": "⟦inductor|인덕터⟧", "definition": "⟦a coil that resists changes of current|전류의 변화를 막는 코일⟧"},
        {"term": "PWM", "definition": "⟦control of power by the width of pulses|펄스의 폭으로 전력을 조절하는 방법⟧", "aliases": ["⟦pulse-width modulation|펄스 폭 변조⟧"]},
        {"term": "ADC", "definition": "⟦turns a voltage into a number|전압을 숫자로 바꾸는 회로⟧", "aliases": ["⟦analog-to-digital converter|아날로그-디지털 변환기⟧"]},
        {"term": "DAC", "definition": "⟦turns a number into a voltage|숫자를 전압으로 바꾸는 회로⟧", "aliases": ["⟦digital-to-analog converter|디지털-아날로그 변환기⟧"]},
        {"term": "⟦relay|릴레이⟧", "definition": "⟦a switch that a coil moves|코일이 움직이는 스위치⟧"},
        {"term": "⟦fuse|퓨즈⟧", "definition": "⟦a wire that melts when the current is too high|전류가 너무 크면 녹아서 끊어지는 선⟧"},
        {"term": "LED", "definition": "⟦a diode that gives light|빛을 내는 다이오드⟧", "aliases": ["⟦light-emitting diode|발광 다이오드⟧"]},
        {"term": "⟦crystal|수정 진동자⟧", "definition": "⟦a piece of quartz that sets the frequency of an oscillator|발진기의 주파수를 정하는 석영 조각⟧"},
    ]
).write("mine.csv")
glossary
""",
        "⟦**compose** makes rows with hard negatives, wrong answers that look right, and keeps some concepts for the test."
        "|**compose**는 하드 네거티브(헷갈리기 쉬운 오답)가 있는 행을 만들고, 일부 개념은 평가용으로 남깁니다.⟧",
        """from embedkit.api import compose

pairs = compose(glossary, output="pairs.jsonl", miner="lexical", hard_k=2, split="0.6/0.2/0.2", force=True)
pairs
""",
        "⟦**train** starts from all-MiniLM-L6-v2. The record shows its loss curve.|**train**은 all-MiniLM-L6-v2에서 시작합니다. 결과에서 손실 곡선을 볼 수 있습니다.⟧",
        """from embedkit.api import train

run = train(pairs, run="runs/mine", train={"epochs": 3}, force=True)
run
""",
        "⟦**evaluate** asks in words that training did not have, and says SHIP, NOT YET, NO DIFFERENCE or DO NOT SHIP. "
        "Ten terms are too few for SHIP.|**evaluate**는 학습에 없던 표현으로 묻고 SHIP, NOT YET, NO DIFFERENCE, DO NOT SHIP 가운데 하나로 "
        "판정합니다. 용어 열 개는 SHIP을 받기에 너무 적습니다.⟧",
        """from embedkit.api import evaluate, search

verdict = evaluate(run, resamples=200)
verdict
""",
        "⟦Search with the model, and load it without embedkit.|모델로 검색해 보고, embedkit 없이도 불러와 봅니다.⟧",
        """from sentence_transformers import SentenceTransformer

print(SentenceTransformer(str(run.model)).encode(["PWM"]).shape)
search("⟦how do I turn a voltage into a number|전압을 숫자로 바꾸려면⟧", model=run, top_k=3)
""",
    ),
    "2-three-topics": (
        "# ⟦Three topics|세 가지 주제⟧\n\n⟦Sixty sentences on power supplies, radio and memory ship with embedkit, each with its topic. "
        "The loss `batch_all_triplet` moves sentences of one topic together."
        "|전원, 무선, 메모리에 관한 문장 예순 개가 주제와 함께 embedkit에 들어 있습니다. 손실 함수 `batch_all_triplet`은 "
        "같은 주제의 문장을 서로 가깝게 옮깁니다.⟧",
        """import json
from pathlib import Path

from embedkit.shipped_data import data_path

rows = [json.loads(line) for line in data_path("sentences.labelled.jsonl").read_text(encoding="utf-8").splitlines()]
held_out = rows[::4]
trained = [row for number, row in enumerate(rows) if number % 4]
for name, part in (("topics.jsonl", trained), ("topics.dev.jsonl", held_out)):
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\\n" for row in part), encoding="utf-8")
config = {
    "model_id": "sentence-transformers/all-MiniLM-L6-v2",
    "train": {"loss": "batch_all_triplet", "batch_size": 15, "epochs": 6, "max_length": 48},
    "optim": {"lr": 1e-4},
    "data": {"pairs_path": "topics.jsonl"},
}
Path("topics.json").write_text(json.dumps(config), encoding="utf-8")
print(len(trained), len(held_out), rows[0])
""",
        "⟦Before: similarity of sentences that training will not see, within a topic and between topics."
        "|학습 전: 학습에 쓰지 않을 문장들의 유사도를 같은 주제끼리와 다른 주제끼리 견줍니다.⟧",
        """import numpy as np
from embedkit.models.resolve import load_model, resolve_model


def within_and_between(name: str) -> tuple[float, float]:
    vectors = load_model(resolve_model(name)).encode([row["text"] for row in held_out], normalize_embeddings=True)
    topics = np.array([row["label"] for row in held_out])
    same = topics[:, None] == topics
    scores = vectors @ vectors.T
    others = ~np.eye(len(topics), dtype=bool)
    return float(scores[same & others].mean()), float(scores[~same].mean())


before = within_and_between("sentence-transformers/all-MiniLM-L6-v2")
print("⟦same topic {:.2f}, other topics {:.2f}|같은 주제 {:.2f}, 다른 주제 {:.2f}⟧".format(*before))
""",
        "⟦Train: half a minute.|학습: 30초쯤 걸립니다.⟧",
        """%%bash
embedkit train --config topics.json --force
""",
        "⟦After: the two numbers are further apart.|학습 후: 두 숫자의 차이가 더 커집니다.⟧",
        """after = within_and_between("runs/topics")
print("⟦same topic {:.2f}, other topics {:.2f}|같은 주제 {:.2f}, 다른 주제 {:.2f}⟧".format(*after))
print("⟦gap: {:.2f} before, {:.2f} after|차이: 학습 전 {:.2f}, 학습 후 {:.2f}⟧".format(before[0] - before[1], after[0] - after[1]))
""",
    ),
    "3-inference-losses": (
        "# ⟦Three losses on inference pairs|추론 문장 쌍과 세 가지 손실 함수⟧\n\n⟦Pairs labelled entailment, neutral or contradiction "
        "train a model in three ways: `softmax` learns the class, `cosine` a similarity, `mnrl` finds the entailed sentence among others."
        "|entailment, neutral, contradiction 레이블이 있는 문장 쌍으로 세 가지 학습을 할 수 있습니다. `softmax`는 분류를, `cosine`은 유사도를 "
        "배우고, `mnrl`은 여러 문장 가운데 함의되는 문장을 찾는 법을 배웁니다.⟧",
        """import json
from pathlib import Path

premises = {
    "A man solders a wire to a board.": ("Someone is soldering.", "The board is for a radio.", "The man is asleep."),
    "The fan turns slowly.": ("A fan is moving.", "The fan cools a processor.", "The fan stands still."),
    "Two children paint a fence.": ("Children are painting.", "The fence is their father's.", "Nobody is outside."),
    "A dog runs along the beach.": ("An animal is running.", "The dog chases a ball.", "The dog lies on a sofa."),
    "A woman reads the meter twice.": ("A woman is measuring.", "The meter is broken.", "The woman looks at nothing."),
    "The train leaves in the rain.": ("A train departs.", "The train is late.", "The sky is clear and the train waits."),
    "A cook tastes the soup.": ("Somebody tries the soup.", "The soup needs salt.", "The cook has left the kitchen."),
    "Snow covers the old bridge.": ("There is snow on a bridge.", "The bridge is closed.", "The bridge is dry and warm."),
}
labels = ("entailment", "neutral", "contradiction")
rows = [
    {"sentence1": premise, "sentence2": text, "label": label}
    for premise, texts in premises.items()
    for text, label in zip(texts, labels, strict=True)
]
Path("nli.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows), encoding="utf-8")
config = {
    "model_id": "sentence-transformers/all-MiniLM-L6-v2",
    "train": {"batch_size": 8, "epochs": 2, "max_length": 48},
    "optim": {"lr": 5e-5},
    "data": {"pairs_path": "nli.jsonl", "max_hard_negatives": None},
}
Path("nli.json").write_text(json.dumps(config), encoding="utf-8")
print(len(rows), rows[0])
""",
        "⟦The vectors are measured on 100 graded English pairs that ship, under four similarity functions."
        "|함께 배포되는 점수 매긴 영어 문장 쌍 100개로, 네 가지 유사도 함수를 써서 평가합니다.⟧",
        """from embedkit.shipped_data import data_path

graded = [line for line in data_path("similarity.jsonl").read_text(encoding="utf-8").splitlines() if json.loads(line)["lang"] == "en"]
Path("sts.jsonl").write_text("\\n".join(graded[:100]) + "\\n", encoding="utf-8")
""",
        "⟦One run for each loss: same rows, same base model, same seed.|손실 함수마다 한 번씩 학습합니다. 행과 기본 모델, 시드는 같습니다.⟧",
        """%%bash
embedkit compare --config nli.json --losses softmax,cosine,mnrl --sts sts.jsonl --force
""",
        "⟦24 rows teach a trained model nothing about ordinary sentences: expect numbers near the base's. A table of your own rows says which "
        "loss suits them. This model's vectors have length one, so dot product equals cosine."
        "|이미 학습된 모델은 24개 행으로 일상 문장을 더 배우지 못하므로, 숫자가 기본 모델과 비슷합니다. 어떤 손실 함수가 맞는지는 "
        "직접 준비한 행으로 비교하세요. 이 모델의 벡터는 길이가 1이라서 내적과 코사인이 같습니다.⟧",
        """print(sorted(path.name for path in Path("runs").glob("nli-compare/*")))
""",
    ),
    "4-odd-one-out": (
        "# ⟦Odd one out|다른 것 하나 찾기⟧\n\n⟦Which of these words does not belong?|다음 단어 가운데 어울리지 않는 것은 무엇일까요?⟧",
        """%%bash
embedkit odd-one-out computer notebook keyboard monitor banana --model sentence-transformers/all-MiniLM-L6-v2
embedkit odd-one-out 컴퓨터 노트북 키보드 모니터 바나나 --model sentence-transformers/all-MiniLM-L6-v2
""",
        "⟦The number is a mean distance, one minus cosine similarity: read the gap to the next word. Here is how it is computed."
        "|숫자는 평균 거리(1 - 코사인 유사도)입니다. 다음 단어와의 차이를 보세요. 계산은 다음과 같습니다.⟧",
        """from embedkit.models.resolve import load_model, resolve_model

words = ["resistor", "capacitor", "inductor", "banana"]
model = load_model(resolve_model("sentence-transformers/all-MiniLM-L6-v2"))
scores = model.similarity(model.encode(words), model.encode(words)).numpy()
distances = 1 - (scores.sum(axis=1) - 1) / (len(words) - 1)
for distance, word in sorted(zip(distances, words, strict=True), reverse=True):
    print(f"{distance:.3f}  {word}")
""",
        "⟦Use it to clean lists: give it the members of a category and check the ones at the top. In Korean this model reads Hangul as single "
        "letters and compares spelling; notebook 5 takes a multilingual model."
        "|목록을 정리할 때 쓸 수 있습니다. 한 분류에 든 단어를 주고 맨 위에 나온 것을 확인하세요. 이 모델은 한글을 낱자로 읽어 철자를 "
        "비교하므로, 한국어에는 5번 노트북의 다국어 모델이 낫습니다.⟧",
        """assert max(zip(distances, words, strict=True))[1] == "banana"
""",
    ),
    "5-korean-electronics": (
        "# ⟦Korean electronics|한국어 전자공학⟧\n\n⟦Lists of Korean terms and abbreviations become pairs through templates (`synth`), and a "
        "multilingual model learns them with LoRA. With a GPU it takes a minute, on two cores ten."
        "|한국어 용어 목록과 약어 목록에 템플릿을 적용해 쌍을 만들고(`synth`), 다국어 모델을 LoRA로 파인튜닝합니다. GPU에서는 1분, "
        "코어 두 개에서는 10분쯤 걸립니다.⟧",
        """%%bash
embedkit synth --terms terms.ko.txt --acronyms acronyms.jsonl --output ko/pairs.jsonl --seed 1 --force
head -n 2 ko/pairs.jsonl
""",
        "⟦LoRA trains two small matrices beside each weight matrix. Models of the E5 family want prompts."
        "|LoRA는 가중치 행렬마다 작은 행렬 두 개만 학습합니다. E5 계열 모델은 프롬프트를 붙여 씁니다.⟧",
        """import json
from pathlib import Path

config = {
    "model_id": "intfloat/multilingual-e5-small",
    "loss": {"name": "masked_mnrl", "temperature": 0.05, "symmetric": False},
    "train": {
        "batch_size": 32, "epochs": 1, "steps_per_epoch": 40, "max_length": 96,
        "query_prompt": "query: ", "document_prompt": "passage: ", "freeze_embeddings": True,
    },
    "optim": {"lr": 5e-4},
    "data": {"pairs_path": "ko/pairs.jsonl", "max_hard_negatives": 0},
    "lora": {"r": 16, "alpha": 32},
}  # fmt: skip
Path("ko.json").write_text(json.dumps(config), encoding="utf-8")
""",
        "⟦Train, and ask in Korean.|학습한 뒤 한국어로 물어봅니다.⟧",
        """%%bash
embedkit train --config ko.json --force
embedkit search "전압을 일정하게 유지하는 부품" --model runs/ko --corpus electronics.ko.csv --top-k 3
""",
        "⟦The same question to the model alone, without plain words.|단어 검색을 빼고 모델만으로 같은 질문을 합니다.⟧",
        """from embedkit.api import search

search("전압을 일정하게 유지하는 부품", model="runs/ko", corpus="electronics.ko.csv", ranker="dense", top_k=3)
""",
    ),
}


def localized(text: str, lang: str) -> str:
    """`⟦one|other⟧` as the part of a language."""
    return re.sub(r"⟦([^|⟧]*)\|([^⟧]*)⟧", r"\1" if lang == "en" else r"\2", text)


def notebook(name: str, lang: str) -> str:
    """One notebook as the text of its file."""
    title, *cells = NOTEBOOKS[name]
    sources = [("markdown", f"{title}\n\n{BADGE}"), ("code", INSTALL)]
    sources += [("code" if number % 2 == 0 else "markdown", text) for number, text in enumerate(cells)]
    made = [
        {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        | {"source": localized(text, lang).rstrip("\n").splitlines(keepends=True)}
        for number, (kind, text) in enumerate(sources, start=1)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    stale = []
    for name in NOTEBOOKS:
        for lang in ("en", "ko"):
            path = FOLDER / (f"{name}.ipynb" if lang == "en" else f"ko/{name}.ipynb")
            text = notebook(name, lang)
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    print("\n".join(stale))
    sys.exit(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    main()
