"""Pictures and films, by what they promise of every batch."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.tasks import film
from seqlab.tasks.film import ACTION, CAPTION, LABEL, MOVE, Task

TASKS = {"caption": CAPTION, "action": ACTION, "label": LABEL, "move": MOVE}


def centre(frames: np.ndarray) -> np.ndarray:
    """The centre of the light, (..., side, side) -> (..., 2) as (y, x)."""
    at = np.arange(frames.shape[-1])
    light = frames.sum((-1, -2))
    y = (frames.sum(-1) * at).sum(-1) / light
    x = (frames.sum(-2) * at).sum(-1) / light
    return np.stack([y, x], -1)


def texts(task: Task, answers: np.ndarray) -> list[list[str]]:
    """What is said of each film, END included."""
    counted = task.counted(answers)
    return [task.spell(row[known].tolist()) for row, known in zip(answers, counted)]


@given(st.sampled_from(sorted(TASKS)), st.integers(0, 99), st.integers(0, 5))
def test_a_batch_is_what_its_task_says(name: str, seed: int, b: int) -> None:
    task = TASKS[name]
    frames, answers = task.draw(np.random.default_rng(seed), b)
    assert frames.shape == (b, task.frames, task.side, task.side)
    assert answers.shape == (b, task.length) and answers.dtype == np.int64
    assert np.all((frames >= 0) & (frames <= 1))
    assert np.all((answers >= 0) & (answers < len(task.words)))
    again = task.draw(np.random.default_rng(seed), b)
    np.testing.assert_array_equal(again.frames, frames)
    np.testing.assert_array_equal(again.answers, answers)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_word_comes_and_hardly_a_film_comes_twice(name: str) -> None:
    task = TASKS[name]
    frames, answers = task.draw(np.random.default_rng(0), 1000)
    assert set(answers.ravel().tolist()) == set(range(len(task.words)))
    assert len(np.unique(frames.reshape(1000, -1), axis=0)) == 1000


@pytest.mark.parametrize("task", [CAPTION, MOVE])
def test_an_answer_ends_once_and_nothing_behind_it_counts(task: Task) -> None:
    answers = task.draw(np.random.default_rng(0), 300).answers
    for row, said in zip(answers.tolist(), texts(task, answers), strict=True):
        assert said.index(film.END) == len(said) - 1
        assert not any(row[len(said) :])
    lengths = set(map(len, texts(task, answers)))
    assert max(lengths) == task.length and len(lengths) > 1


@pytest.mark.parametrize("task", [ACTION, LABEL])
def test_where_nothing_ends_every_word_counts(task: Task) -> None:
    answers = task.draw(np.random.default_rng(0), 50).answers
    assert task.counted(answers).all() and (answers == 0).any()
    assert film.END not in task.words


# Chance


def frequencies(task: Task, n: int) -> dict[tuple[int, ...], float]:
    answers = task.draw(np.random.default_rng(1), n).answers
    found, counts = np.unique(answers, axis=0, return_counts=True)
    return {tuple(row): count / n for row, count in zip(found.tolist(), counts.tolist())}


def test_all_thirty_captions_and_all_six_actions_come_alike_often() -> None:
    captions = frequencies(CAPTION, 20000)
    assert len(captions) == 30
    assert all(share == pytest.approx(1 / 30, abs=0.006) for share in captions.values())
    actions = frequencies(ACTION, 20000)
    assert len(actions) == 6
    assert all(share == pytest.approx(1 / 6, abs=0.012) for share in actions.values())


def test_lists_of_one_two_and_three_moves_come_alike_often() -> None:
    moves = frequencies(MOVE, 30000)
    assert len(moves) == 4 + 4 * 3 + 4 * 3 * 3
    for n in (1, 2, 3):
        share = sum(s for said, s in moves.items() if sum(word > 0 for word in said) == n)
        assert share == pytest.approx(1 / 3, abs=0.015)
    assert max(moves.values()) == pytest.approx(1 / 12, abs=0.01)  # one move in one direction
    labels = frequencies(LABEL, 5000)
    assert max(labels.values()) < 0.02


# What is seen is what is said


def test_a_caption_says_where_the_light_is_and_how_much_of_it() -> None:
    frames, answers = CAPTION.draw(np.random.default_rng(0), 400)
    light: dict[tuple[str, str], list[float]] = {}
    for picture, (_a, size, shape, *place, _end) in zip(
        frames[:, 0], texts(CAPTION, answers), strict=True
    ):
        y, x = centre(picture)
        expected = film.PLACES[tuple(place)]
        assert abs(y - expected[0]) < 0.6 and abs(x - expected[1]) < 0.6
        light.setdefault((size, shape), []).append(picture.sum())
    for shape in film.SHAPES:
        assert min(light["big", shape]) > 1.3 * max(light["small", shape])
        assert max(light["big", shape]) <= max(light["big", "square"])


def test_a_ring_is_dark_in_its_middle_and_a_cross_at_its_corners() -> None:
    middle = np.array([[5.0, 5.0]] * 3)
    square, ring, cross = film._shapes(np.arange(3), middle, np.full(3, 3.0))
    assert square[5, 5] == cross[5, 5] == 1 and ring[5, 5] == 0
    assert square[3, 3] == 1 and cross[3, 3] == 0 and square[2, 2] == 0.5 and ring[2, 2] == 0
    assert cross[5, 2] == square[5, 2] == 0.5 and ring[5, 2] > 0.4  # where the shapes end
    for picture in (square, ring, cross):
        np.testing.assert_allclose(picture, picture.T)
        assert not picture[:, 9:].any()


def test_a_spot_moves_as_its_action_says() -> None:
    frames, answers = ACTION.draw(np.random.default_rng(0), 200)
    for film_, (said,) in zip(frames, texts(ACTION, answers), strict=True):
        brightest = [np.unravel_index(frame.argmax(), frame.shape) for frame in film_]
        way = np.array(brightest) - brightest[0]
        offsets = np.array(film.ACTIONS[said], float)
        assert np.abs(way - (offsets - offsets[0])).max() <= 1  # to a pixel
        grown = film_[-1].sum() / film_[0].sum()
        assert grown > 1.5 if said == "grows" else 0.6 < grown < 1.6


def test_the_label_of_a_frame_is_the_way_the_spot_came() -> None:
    frames, answers = LABEL.draw(np.random.default_rng(0), 100)
    for film_, said in zip(frames, texts(LABEL, answers), strict=True):
        assert said[0] == "start" and "start" not in said[1:]
        for before, after, word in zip(film_[:-1], film_[1:], said[1:], strict=True):
            step = film.DIRECTIONS[word]
            shifted = np.roll(before, step, (0, 1))
            inside = np.s_[1:-1, 1:-1]  # what came over the edge is not what went over it
            np.testing.assert_allclose(after[inside], shifted[inside], atol=1e-12)


def test_moves_are_told_in_order_and_each_takes_two_frames_or_more() -> None:
    frames, answers = MOVE.draw(np.random.default_rng(0), 200)
    durations = set()
    for film_, said in zip(frames, texts(MOVE, answers), strict=True):
        steps = []
        for before, after in pairwise(film_):
            inside = np.s_[1:-1, 1:-1]
            steps += [
                word
                for word, step in film.DIRECTIONS.items()
                if np.allclose(after[inside], np.roll(before, step, (0, 1))[inside])
            ]
        assert len(steps) == MOVE.frames - 1
        changes = [0, *(i for i in range(1, 6) if steps[i] != steps[i - 1]), 6]
        assert [steps[i] for i in changes[:-1]] == said[:-1]
        durations |= set(np.diff(changes).tolist())
    assert min(durations) == 2 and max(durations) == 6


@pytest.mark.parametrize("task", [ACTION, LABEL, MOVE])
def test_no_spot_leaves_the_film(task: Task) -> None:
    frames = task.draw(np.random.default_rng(0), 300).frames
    assert frames.max((-1, -2)).min() > 0.7  # the middle of the spot is inside, or half a pixel off
    assert frames.sum((-1, -2)).min() > 0.4 * 2 * np.pi * film.SPOT**2
