"""Run by scripts/benchmarks/quality.py in an interpreter that has PyTorch: GIVEN.json OUT.json.

A small recurrent network (a GRU) reads each learner's answers in order, as deep knowledge tracing does (Piech et al.
2015), and learns from the training learners which answers will be right and which visits will be struggles. It writes,
for each visit in the order of its number, the chance of a struggle before the visit's first answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

import torch
from torch import Tensor, nn

WIDTH = 64
EPOCHS = 12
AT_ONCE = 32
"""Learners of one step."""
HELD_BACK = 10
"""Every so many training learners tell when to stop."""
LONGEST = 200
"""Answers over which a gradient is traced back."""


class Network(nn.Module):
    """What was answered so far, and the objective that comes next, to the logits of (a right answer, a struggle)."""

    def __init__(self, skills: int) -> None:
        super().__init__()
        self.answered = nn.Embedding(2 * skills + 1, WIDTH)
        self.faced = nn.Embedding(skills, WIDTH)
        self.memory = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.judge = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.ReLU(), nn.Dropout(0.2), nn.Linear(WIDTH, 2))

    def forward(self, answered: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """What is remembered at each step (answered: learners x steps, the answer before it), and the last state."""
        return self.memory(self.drop(self.answered(answered)), state)

    def logits(self, remembered: Tensor, faced: Tensor) -> Tensor:
        """The two logits for what was remembered and the objective faced."""
        return self.judge(torch.cat([remembered, self.faced(faced)], dim=-1))


class Learner:
    """One learner's answers, and the visits with the number of answers before each."""

    def __init__(self) -> None:
        self.skills: list[int] = []
        self.right: list[int] = []
        self.visits: list[tuple[int, int, int]] = []  # (number, answers before it, skill)


def learners_of(table: dict[str, list[Any]]) -> dict[str, Learner]:
    """The rows of the table by learner."""
    found: dict[str, Learner] = {}
    numbers: dict[str, int] = {}
    for who, skill, correct, visit in zip(table["learner"], table["skill"], table["correct"], table["visit"]):
        learner = found.setdefault(who, Learner())
        number = numbers.setdefault(skill, len(numbers))
        if visit >= 0:
            learner.visits.append((visit, len(learner.skills), number))
        else:
            learner.skills.append(number)
            learner.right.append(correct)
    return found


class Batch(NamedTuple):
    """Learners as tensors.

    Attributes:
        answered: Learners x steps: the answer before each step.
        faced: Learners x steps: the objective of the answer that comes next.
        right: Learners x steps: whether that answer was right; -1 where there is none.
        at: Visits x 3: each one's learner, step and objective.
        numbers: The visits' numbers.
        struggled: The visits' outcomes.
    """

    answered: Tensor
    faced: Tensor
    right: Tensor
    at: Tensor
    numbers: list[int]
    struggled: Tensor


def batches(learners: list[Learner], skills: int, struggled: list[int]) -> Iterator[Batch]:
    """Groups of learners of like length."""
    ordered = sorted(learners, key=lambda learner: len(learner.skills))
    for start in range(0, len(ordered), AT_ONCE):
        group = ordered[start : start + AT_ONCE]
        steps = max(len(learner.skills) for learner in group) + 1
        answered = torch.full((len(group), steps), 2 * skills)
        faced = torch.zeros((len(group), steps), dtype=torch.long)
        right = torch.full((len(group), steps), -1.0)
        visits = []
        for row, learner in enumerate(group):
            count = len(learner.skills)
            both = [2 * skill + correct for skill, correct in zip(learner.skills, learner.right)]
            answered[row, 1 : count + 1] = torch.tensor(both, dtype=torch.long)
            faced[row, :count] = torch.tensor(learner.skills, dtype=torch.long)
            right[row, :count] = torch.tensor(learner.right, dtype=torch.float)
            visits += [(row, before, skill, number) for number, before, skill in learner.visits]
        visits.sort(key=lambda visit: visit[1])
        at = torch.tensor([visit[:3] for visit in visits], dtype=torch.long).reshape(-1, 3)
        numbers = [visit[3] for visit in visits]
        outcomes = torch.tensor([float(struggled[number]) for number in numbers])
        yield Batch(answered, faced, right, at, numbers, outcomes)


def passed(network: Network, batch: Batch, optimiser: torch.optim.Optimizer | None = None) -> tuple[float, Tensor]:
    """One pass over a batch; with an optimiser it learns. Returns (loss of the visits, logits of the visits)."""
    answered, faced, right, at, _, y = batch
    state, losses, logits = None, 0.0, torch.zeros(len(at))
    loss_of = nn.functional.binary_cross_entropy_with_logits
    for start in range(0, answered.shape[1], LONGEST):
        stop = min(start + LONGEST, answered.shape[1])
        remembered, state = network(answered[:, start:stop], state)
        state = state.detach()
        here = (at[:, 1] >= start) & (at[:, 1] < stop)
        mine = at[here]
        said = network.logits(network.drop(remembered[mine[:, 0], mine[:, 1] - start]), mine[:, 2])[:, 1]
        logits[here] = said.detach()
        loss = loss_of(said, y[here], reduction="sum")
        losses += float(loss)
        if optimiser is not None:
            known = right[:, start:stop] >= 0
            answers = network.logits(network.drop(remembered), faced[:, start:stop])[..., 0]
            total = loss + loss_of(answers[known], right[:, start:stop][known], reduction="sum")
            optimiser.zero_grad()
            (total / max(1, int(known.sum()) + len(mine))).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
    return losses, logits


def main(given: str, made: str) -> None:
    """Fits on the training learners until those held back are predicted best, and predicts everybody's visits."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    with open(given, encoding="utf-8") as file:
        table = json.load(file)
    everybody = learners_of(table)
    training = {who for who, trains in zip(table["learner"], table["training"]) if trains}
    back = {who for who in training if crc32(who.encode()) % HELD_BACK == 0}
    skills, struggled = len(set(table["skill"])), table["struggled"]
    fitted = list(batches([everybody[who] for who in sorted(training - back)], skills, struggled))
    judged = list(batches([everybody[who] for who in sorted(back)], skills, struggled))
    network = Network(skills)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3, weight_decay=1e-5)
    best, kept = float("inf"), None
    for _ in range(EPOCHS):
        network.train()
        for place in torch.randperm(len(fitted)).tolist():
            passed(network, fitted[place], optimiser)
        network.eval()
        with torch.no_grad():
            loss = sum(passed(network, batch)[0] for batch in judged)
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    network.eval()
    chances = [0.5] * len(struggled)
    with torch.no_grad():
        for batch in batches([everybody[who] for who in sorted(everybody)], skills, struggled):
            for number, chance in zip(batch.numbers, torch.sigmoid(passed(network, batch)[1]).tolist()):
                chances[number] = chance
    with open(made, "w", encoding="utf-8") as file:
        json.dump(chances, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
