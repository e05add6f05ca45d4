"""attend: weights of trained models, what their heads are called, and the arithmetic of a row."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import make

from seqlab import checkpoints
from seqlab.lab import BadInput, attend

TIRED = "The animal didn't cross the street because it was too tired"
WIDE = "The animal didn't cross the street because it was too wide"


@pytest.fixture(scope="module")
def tired():
    return attend.run(TIRED)


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def vit(tmp_path):
    folder = tmp_path / "vit"
    make("vit for classes").save_pretrained(folder)
    return folder


# The weights


def test_rows_are_shares_of_one_and_no_query_looks_ahead(tired):
    np.testing.assert_allclose(tired.weights.sum(-1), 1, atol=1e-5)
    t = len(tired.tokens)
    assert tired.weights.shape == (4, 8, t, t) and tired.tokens[0] == "<s>"
    assert np.all(np.triu(tired.weights, 1) == 0)
    open_ = attend.run(TIRED, causal=False)
    assert np.triu(open_.weights, 1).max() > 0.1 and not open_.causal and open_.trained_causal


def test_weights_equal_a_forward_pass_in_torch(tired):
    """Storyteller written out in torch's own functions, RoPE as complex numbers."""
    model = checkpoints.load("storyteller")
    p, h = model.parameters, model.style.h
    ids = checkpoints.tokenise(model, TIRED).ids

    def tensor(a):
        return torch.tensor(np.asarray(a, np.float64))

    x = tensor(p.embed[np.array(ids)])
    t, d = x.shape
    frequency = 10000.0 ** (-torch.arange(0, d // h, 2, dtype=torch.float64) / (d // h))
    turn = torch.polar(torch.ones(t, d // h // 2, dtype=torch.float64), torch.outer(
        torch.arange(t, dtype=torch.float64), frequency))  # fmt: skip

    def rotate(a):
        z = torch.view_as_complex(a.reshape(*a.shape[:-1], -1, 2).contiguous()) * turn
        return torch.view_as_real(z).flatten(-2)

    def normed(a, norm):
        return torch.nn.functional.layer_norm(a, (d,), tensor(norm.weight), tensor(norm.bias), 1e-5)

    hidden = torch.full((t, t), -math.inf, dtype=torch.float64).triu(1)
    for layer, block in enumerate(p.blocks):
        a, y = block.attention, normed(x, block.norm_1)
        q, k, v = (
            (y @ tensor(W) + tensor(b)).reshape(t, h, -1).transpose(0, 1)
            for W, b in ((a.W_q, a.b_q), (a.W_k, a.b_k), (a.W_v, a.b_v))
        )
        scores = rotate(q) @ rotate(k).mT / math.sqrt(d // h) + hidden
        weights = scores.softmax(-1)
        np.testing.assert_allclose(tired.weights[layer], weights.numpy(), atol=2e-5)
        x = x + (weights @ v).transpose(0, 1).reshape(t, d) @ tensor(a.W_o) + tensor(a.b_o)
        f = block.feed_forward
        inner = torch.nn.functional.gelu(normed(x, block.norm_2) @ tensor(f.W_1) + tensor(f.b_1))
        x = x + inner @ tensor(f.W_2) + tensor(f.b_2)
    logits = normed(x[-1], p.norm) @ tensor(p.embed[np.arange(p.embed.shape[0])]).mT
    best = attend.run(TIRED, next=3).next
    top = logits.softmax(-1).topk(3)
    np.testing.assert_allclose([n.probability for n in best], top.values.numpy(), rtol=1e-3)


def test_storyteller_has_the_heads_that_its_card_names(tired):
    """On random tokens read twice: a previous-token head and an induction head."""
    probed = {}
    for head in tired.heads:
        probed[head.probe.key] = max(probed.get(head.probe.key, 0), head.probe.score)
    assert probed["previous"] >= 0.9 and probed["induction"] >= 0.8
    again = attend.run(TIRED, model="untrained")
    assert not {"previous", "induction"} & {head.probe.key for head in again.heads}


# One row


def test_a_row_is_worked_out_from_queries_keys_and_values(tired):
    found = attend.run(TIRED, query="it", layer=2, head=6)
    row, t = found.row, found.tokens.index("it")
    assert row.token == t and found.head == 6
    np.testing.assert_allclose(row.weights, found.weights[2, 6, t], atol=1e-5)
    np.testing.assert_allclose(row.scores, [sum(row.q * k) for k in row.k])
    exps = [math.exp(s / 4) if s_ else 0 for s, s_ in zip(row.scores, row.allowed)]  # √16
    np.testing.assert_allclose(row.weights, np.array(exps) / sum(exps))
    np.testing.assert_allclose(row.output, sum(w * v for w, v in zip(row.weights, row.v)))


@pytest.mark.parametrize(
    ("query", "label", "position"),
    [
        ("IT", "it", 9),
        ("the:2", "the", 6),
        ("the", "the", 6),
        ("the:1", "The", 1),
        ("<s>", "<s>", 0),
        ("'t", "'t", 4),
    ],
)
def test_a_query_is_named_by_its_word(query, label, position):
    found = attend.run(TIRED, query=query)
    assert found.row.token == position and found.tokens[position] == label


# Comparing


def test_only_rows_from_the_change_on_can_move_in_a_causal_model():
    found = attend.run(TIRED, compare="The animal didn't cross the road because it was too tired")
    moved = {m.word: m.share for m in found.moved}
    assert moved["animal"] < 1e-5 < max(moved["it"], moved["because"], moved["was"])
    shares = [m.share for m in found.moved]
    assert shares == sorted(shares, reverse=True)
    assert "moved most" in attend.takeaways(found)[0]
    same = attend.run(TIRED, compare=TIRED)
    assert "No row" in attend.takeaways(same)[0]
    other = attend.run("cats sleep", compare="dogs eat")
    assert not other.moved and "no word in common" in attend.takeaways(other)[0]
    end = attend.run(TIRED, compare=WIDE)
    assert "causal mask" in attend.takeaways(end)[0]
    longer = attend.run("the old cat sat", compare="the old grey cat sat").moved[0]
    assert sum(link.after - link.before for link in longer.links) < 1
    assert {"grey"} <= {
        link.key
        for m in attend.run("the old cat sat", compare="the old grey cat sat").moved
        for link in m.links
    }


# Words


def test_pieces_are_joined_to_words():
    groups = attend._groups(["<s>", "un", "·happ", "·y", "cat"], [None, 0, 0, 0, 1], pieces=False)
    assert [g.label for g in groups] == ["<s>", "unhappy", "cat"]
    w = np.random.default_rng(0).dirichlet(np.ones(5), 5)
    joined = attend._joined(w, groups)
    for i, rows in enumerate(([0], [1, 2, 3], [4])):
        for j, columns in enumerate(([0], [1, 2, 3], [4])):
            by_hand = sum(w[r, c] for r in rows for c in columns) / len(rows)
            assert joined[i, j] == pytest.approx(by_hand)


@given(st.text(min_size=1, max_size=40).filter(lambda s: s.strip()))
def test_any_text_is_read_and_drawn(text):
    from rich.console import Console

    found = attend.run(text)
    console = Console(width=100, file=io.StringIO())
    lines = console.render_lines(attend.show(found))
    assert all("\x1b" not in segment.text for line in lines for segment in line)
    assert len(attend.takeaways(found)) <= 3 and attend.question(found).choices


# Sentences change with what is found


def test_takeaways_follow_the_numbers(tired):
    trained = " ".join(attend.takeaways(tired))
    random = attend.run(TIRED, model="untrained")
    untrained = " ".join(attend.takeaways(random))
    assert "induction head" in trained and "induction head" not in untrained
    broad = sum(h.pattern == "broad" for h in random.heads)
    assert broad > 16 and f"broad {broad}" in untrained
    assert "trained to look back only" in " ".join(
        attend.takeaways(attend.run(TIRED, causal=False))
    )
    rolled = attend.takeaways(attend.run(TIRED, rollout=True))[0]
    assert rolled.startswith("Followed through all layers (4)")
    mean = attend.takeaways(attend.run(TIRED, average=True))[0]
    assert mean.startswith("On average over all heads")


def test_the_question_is_answered_by_the_weights(tired):
    asked = attend.question(tired)
    row = tired.sentence.matrix[-1]
    right = asked.choices[asked.answer]
    assert right.split(" (")[0] == tired.tokens[int(row.argmax())]
    assert f"{row.max():.2f}".lstrip("0") in asked.why  # as the figure has it
    assert "‘it’" in attend.question(attend.run(TIRED, query="it")).text


def test_the_question_tells_equal_words_apart():
    for sentence in ("the cat sat on the mat and the cat", "a a a a a", "word " * 60):
        for options in ({}, {"average": True}, {"rollout": True}, {"causal": False}):
            found = attend.run(sentence, **options)
            asked = attend.question(found)
            assert 2 <= len(set(asked.choices)) == len(asked.choices) <= 16
            text = found.sentence
            names = [
                f"{token} (word {word + 1})" if text.tokens.count(token) > 1 else token
                for token, word in zip(text.tokens, text.words)
                if word is not None or text.tokens.count(token) == 1
            ]  # of these sentences every word is one token
            row = max(i for i, token in enumerate(text.tokens) if token != "␣")
            assert f"‘{names[row]}’" in asked.text
            assert asked.choices[asked.answer] == names[int(text.matrix[row].argmax())]


# Pictures


def test_a_picture_and_its_class_token(vit, picture):
    found = attend.run(image=picture, model=str(vit))
    assert found.weights.shape == (3, 3, 3, 5) and found.rollout.shape == (3, 5)
    np.testing.assert_allclose(found.weights.sum((-1, -2)) + found.itself, 1, atol=1e-5)
    assert len(found.classes) == 5 and sum(c.probability for c in found.classes) == pytest.approx(1)
    assert all(c.passed for c in attend.check(image=picture, model=str(vit)))


# The command line


@pytest.mark.parametrize(
    "options",
    [
        [], ["--overview"], ["--rollout"], ["--average"], ["--average", "--layer", "1"],
        ["--query", "it"], ["--compare", WIDE], ["--next", "5"], ["--pieces"], ["--no-special"],
        ["--layer", "3", "--head", "1"], ["--bidirectional"], ["--model", "untrained"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("width", [60, 100])
def test_every_option_fits_its_width(seqlab, options, width):
    for look in ([], ["--ascii"], ["--detail"]):
        outcome = seqlab("attend", TIRED, *options, *look, width=width)
        assert outcome.status == 0 and outcome.widest <= width
        if width == 100 and "--detail" not in look:
            assert len(outcome.text.splitlines()) <= 40
        if look == ["--ascii"]:
            assert outcome.text.isascii()


def test_json_has_what_a_reader_needs(seqlab):
    document = seqlab("attend", TIRED, "--json").json["result"]
    t = len(document["tokens"])
    assert document["model"] == "storyteller"
    assert np.array(document["weights"]).shape == (4, 8, t, t)
    assert {"layer", "head", "pattern", "score"} <= set(document["heads"][0])
    assert len(document["heads"]) == 32


def test_special_tokens_can_be_hidden_everywhere(seqlab):
    for options in ([], ["--query", "it"], ["--compare", WIDE]):
        assert "<s>" in seqlab("attend", TIRED, *options).text
        hidden = seqlab("attend", TIRED, *options, "--no-special").text
        assert not any(line.lstrip().startswith("<s>") for line in hidden.splitlines())


def test_long_texts_say_what_they_leave_out(seqlab):
    outcome = seqlab("attend", "the cat sat on a mat and " * 40)
    assert "The last 15 of" in outcome.text and len(outcome.text.splitlines()) <= 41


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([""], ["an empty sentence"]),
        (["  "], ["an empty sentence"]),
        (["a b", "--layer", "9"], ["--layer 9", "0 to 3"]),
        (["a b", "--head", "8"], ["--head 8", "0 to 7"]),
        (["a b", "--query", "x"], ["--query x", "a b"]),
        (["a b", "--query", "a:7"], ["--query a:7"]),
        (["a b", "--model", "/nowhere/at/all"], ["/nowhere/at/all", "folder"]),
        (["a b", "--rollout", "--average"], ["--rollout --average", "one of the two"]),
        (["a b", "--query", "a", "--compare", "c"], ["--query --compare"]),
        (["word " * 600], ["tokens", "512"]),
        (["--image", "x.png"], ["--image", "--model"]),
        (["--image", "x.png", "--rollout"], ["--image with --rollout"]),
        (["a b", "--overview", "--head", "1"], ["--head --overview"]),
        (["a b", "--image", "x.png"], ["--image with a sentence"]),
    ],
)
def test_bad_input_gets_one_line(seqlab, arguments, parts):
    outcome = seqlab("attend", *arguments)
    assert outcome.status == 2 and outcome.text == ""
    assert outcome.errors.startswith("error: ") and outcome.errors.count("\n") == 1
    assert all(part in outcome.errors for part in parts), outcome.errors


def test_a_model_that_cannot_foretell(seqlab, tmp_path):
    make("bert").save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\na\nb\n")
    outcome = seqlab("attend", "a b", "--model", str(tmp_path), "--next", "3")
    assert outcome.status == 2 and "--next" in outcome.errors
    assert seqlab("attend", "a b", "--model", str(tmp_path)).status == 0


def test_python_refuses_what_the_command_line_refuses():
    with pytest.raises(BadInput):
        attend.run("a b", layer=-1)
    with pytest.raises(BadInput):
        attend.run("a b", next=51)
