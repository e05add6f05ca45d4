"""What can be looked up: every experiment and every page of the book, by name or another word.

A topic has a text in each language, `en/NAME.md` and `zh/NAME.md`, and the source that it is about.
"""

import ast
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import seqlab
from seqlab import catalogue
from seqlab.lab import BadInput
from seqlab.locale import _, listed, spoken

HERE = Path(__file__).parent
_PACKAGE = Path(seqlab.__file__).parent

# Words that a reader may look for instead
ALIASES = {
    "softmax": "attention", "mask": "attention", "residual": "transformer", "forget": "gates",
    "layernorm": "transformer", "backpropagation": "vanish", "bptt": "vanish",
    "gradient": "vanish", "clipping": "vanish", "memory": "recall",
    "copying": "recall", "induction": "induct", "heads": "induct", "soft": "glimpse",
    "self-attention": "attention", "multi-head": "attention", "qkv": "attention",
    "luong": "seq2seq", "bahdanau": "seq2seq", "translation": "seq2seq", "alignment": "align",
    "position-encoding": "positions", "rope": "positions", "sinusoidal": "positions",
    "alibi": "positions", "block": "transformer", "encoder": "transformer", "gpt2": "gpt",
    "gpt-2": "gpt", "patches": "patchify", "patch": "patchify", "cnn": "conv",
    "convolution": "conv", "receptive-field": "reach", "shift": "windows", "w-msa": "windows",
    "mlp-mixer": "mixer", "token-mixing": "mix", "inductive-bias": "bias", "digits": "classify",
    "reinforce": "hard", "gumbel": "hard", "complexity": "cost", "flops": "cost", "bigru": "gru",
    "注意力": "attention", "自注意力": "attention", "多头注意力": "attention", "掩码": "attention",
    "梯度消失": "vanish", "梯度爆炸": "vanish", "反向传播": "vanish", "梯度裁剪": "vanish",
    "循环神经网络": "rnn", "长短期记忆": "lstm", "门控循环单元": "gru", "遗忘门": "gates",
    "编码器": "transformer", "残差连接": "transformer", "层归一化": "transformer",
    "对齐": "align", "机器翻译": "seq2seq", "位置编码": "positions", "归纳头": "induct",
    "计算量": "cost", "卷积": "conv", "图像块": "patchify", "感受野": "reach",
    "移位窗口": "windows", "窗口": "windows", "归纳偏置": "bias",
    "硬注意力": "hard", "初始化": "recall",
}  # fmt: skip


def pages() -> list[str]:
    """The pages of the book."""
    return sorted(p.stem for p in (_PACKAGE / "book").glob("*.py") if p.stem != "__init__")


def names() -> list[str]:
    """All topics: the experiments in the order of the course, then the pages."""
    return [*(e.name for e in catalogue.EXPERIMENTS), *pages()]


def find(word: str) -> str:
    """The topic that `word` names.

    Raises:
        BadInput: there is none.
    """
    name = word.strip().lower().removeprefix("seqlab ").replace(" ", "-").replace("_", "-")
    every = names()
    if name in every:
        return name
    if name in ALIASES and ALIASES[name] in every:
        return ALIASES[name]
    close = get_close_matches(name, [*every, *ALIASES], n=1)
    wrong = _("no topic {name}").format(name=repr(word[:40]))
    raise BadInput(wrong, _("one of {names}").format(names=listed(every)), *close)


def text(topic: str) -> str:
    """What there is to say of it, Markdown in the language that is spoken."""
    return (HERE / spoken() / f"{topic}.md").read_text(encoding="utf-8")


class Source(NamedTuple):
    """A file, or a part of it."""

    place: str  # seqlab/book/lstm.py, seqlab/book/lstm.py:69
    code: str


def source(topic: str) -> Source:
    """The file that a topic is about; of `topic.name` that function, class or constant.

    Raises:
        BadInput: there is no such topic, or no such name in it.
    """
    word, dot, inner = topic.partition(".")
    name = find(word)
    room = "lab" if catalogue.find(name) else "book"
    code = (_PACKAGE / room / f"{name}.py").read_text(encoding="utf-8")
    place = f"seqlab/{room}/{name}.py"
    if not dot:
        return Source(place, code)
    parts = _parts(code)
    if inner not in parts:
        public = [n for n in parts if not n.startswith("_")]
        known = _("one of {names}").format(names=listed(public))
        close = get_close_matches(inner, public, n=1)
        raise BadInput(topic[:80], known, *(f"{name}.{word}" for word in close))
    first, last = parts[inner]
    lines = code.splitlines()[first - 1 : last]
    return Source(f"{place}:{first}", "\n".join(lines) + "\n")


def _parts(code: str) -> dict[str, tuple[int, int]]:
    """The names that a file defines, each with its first and its last line."""
    parts: dict[str, tuple[int, int]] = {}
    for node in ast.parse(code).body:
        annotated = [node.target] if isinstance(node, ast.AnnAssign) else []
        targets = node.targets if isinstance(node, ast.Assign) else annotated
        named = getattr(node, "name", None)
        defined = [named] if named else [t.id for t in targets if isinstance(t, ast.Name)]
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        parts |= {name: (first, node.end_lineno or first) for name in defined}
    return parts
