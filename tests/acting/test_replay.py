"""What an agent remembers is what lies in files of its episodes, and no reward crosses an end."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import file, walk

from tacit.acting.replay import Replay
from tacit.modalities.moments import collate, cut
from tacit.modalities.trajectories import TRAJECTORIES, TrajectoriesConfig

DISCOUNT = 0.9
FEW = settings(max_examples=20)


def remembered(lengths, capacity=10_000, **wishes):
    """Episodes of these lengths in a memory, and as arrays; the last one of odd length is cut, not ended."""
    episodes = [walk(number, steps=length, side=8) for number, length in enumerate(lengths)]
    for episode in episodes:
        count = len(episode["actions"])
        episode["terminated"][-1], episode["truncated"][-1] = count % 2 == 0, count % 2 == 1
    layout = TRAJECTORIES.survey([file(each) for each in episodes], TrajectoriesConfig(**wishes))
    layout = layout.model_copy(update={"choices": 4})
    replay = Replay(capacity, layout)
    for episode in episodes:
        replay.add_all(episode)
    return replay, episodes, layout


def numbers_of(replay):
    return replay.everything(10_000).now.index


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 3))
@FEW
def test_moments_are_those_of_the_files(lengths, stack, ahead):
    replay, episodes, layout = remembered(lengths, frames=stack, ahead=ahead)
    assert len(replay) == sum(lengths)
    memory = replay.at(numbers_of(replay).numpy(), 1, DISCOUNT)
    place = 0
    for episode in episodes:
        count = len(episode["actions"])
        rows = slice(place, place + count)
        assert memory.action[rows].tolist() == episode["actions"].tolist()
        assert memory.whole[rows].sum() == max(0, count + 1 - ahead)
        if count >= ahead:
            packed = np.stack([row for row, _ in cut(file(episode), layout)])
            filed = collate(torch.from_numpy(packed), layout)
            whole = memory.now[rows][memory.whole[rows]]
            for name in ("x", "later", "actions"):
                assert torch.equal(getattr(whole, name), getattr(filed, name)), name
        place += count


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 5))
@FEW
def test_rewards_are_summed_as_a_loop_would(lengths, n):
    replay, episodes, _ = remembered(lengths)
    memory = replay.at(numbers_of(replay).numpy(), n, DISCOUNT)
    reward, discount, seen = [], [], []
    for episode in episodes:
        count = len(episode["actions"])
        for step in range(count):
            until = min(step + n, count)
            reward.append(sum(DISCOUNT ** (k - step) * episode["rewards"][k] for k in range(step, until)))
            discount.append(0.0 if episode["terminated"][until - 1] else DISCOUNT ** (until - step))
            seen.append(episode["observations"][until])
    assert torch.allclose(memory.reward, torch.tensor(reward, dtype=torch.float32), atol=1e-5)
    assert torch.allclose(memory.discount, torch.tensor(discount, dtype=torch.float32), atol=1e-5)
    assert torch.equal(memory.after.x[:, -1], torch.from_numpy(np.stack(seen)).float() / 255)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(5, 20))
@FEW
def test_a_full_ring_forgets_the_oldest_and_mixes_nothing(lengths, capacity):
    ring, _, _ = remembered(lengths, capacity)
    whole, _, layout = remembered(lengths)
    numbers = [number for number in numbers_of(whole).tolist() if number >= ring.count - capacity]
    assert numbers_of(ring).tolist() == numbers
    safe = np.array([number for number in numbers if number - layout.stack + 1 >= ring.count - capacity], np.int64)
    if len(safe):
        mine, theirs = ring.at(safe, 3, DISCOUNT), whole.at(safe, 3, DISCOUNT)
        for name in ("reward", "discount", "action", "whole"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
        assert torch.equal(mine.now.x, theirs.now.x)
        assert torch.equal(mine.after.x, theirs.after.x)
    drawn = ring.draw(30, 3, DISCOUNT, np.random.default_rng(0))
    assert set(drawn.now.index.tolist()) <= set(numbers)


def test_what_is_drawn_is_a_function_of_the_generator():
    replay, _, _ = remembered([5, 6])
    first, second, other = (replay.draw(8, 1, DISCOUNT, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.now.index, second.now.index)
    assert not torch.equal(first.now.index, other.now.index)
    assert pytest.approx(DISCOUNT) == first.discount.max().item()
