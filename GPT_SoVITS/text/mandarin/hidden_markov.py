"""The most probable path through a hidden Markov model (Viterbi 1967), for dividing characters into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

_NEVER_EMITTED = -3.14e100
"""Log probability that jieba's models give to a character that a state never emits."""

State = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HiddenMarkovModel:
    """Log probabilities; a state is a place in the word (B E M S) and a part of speech, numbered in sorted order.

    `into[y]` maps each state before y to the probability of that step; `states_of` names the states that a character
    may be in (all where it is absent); `known` are the characters that any state emits; `last` are the states that a
    text may end in (all where it is empty).
    """

    states: tuple[State, ...]
    start: tuple[float, ...]
    into: tuple[dict[int, float], ...]
    emitted: tuple[dict[str, float], ...]
    states_of: dict[str, tuple[int, ...]]
    known: frozenset[str]
    last: tuple[int, ...]

    def words(self, text: str) -> list[tuple[str, str]]:
        """Return `text` divided into words with their parts of speech; an unknown character is a word with part x."""
        divided: list[tuple[str, str]] = []
        for known, characters in groupby(text, self.known.__contains__):
            run = "".join(characters)
            divided += self._known_words(run) if known else [(character, "x") for character in run]
        return divided

    def _known_words(self, text: str) -> list[tuple[str, str]]:
        divided: list[tuple[str, str]] = []
        begin = 0
        path = self._path(text)
        for index, (place, part) in enumerate(path):
            if place == "B":
                begin = index
            elif place in "ES":
                begin = index if place == "S" else begin
                divided.append((text[begin : index + 1], part))
                begin = index + 1
        if begin < len(text):
            divided.append((text[begin:], path[begin][1]))
        return divided

    def _path(self, text: str) -> list[State]:
        everywhere = range(len(self.states))
        scores = {
            state: self.start[state] + self.emitted[state].get(text[0], _NEVER_EMITTED)
            for state in self.states_of.get(text[0], everywhere)
        }
        came_from: list[dict[int, int]] = []
        for character in text[1:]:
            allowed = self.states_of.get(character, everywhere)
            following = self._following(scores, allowed, character) or self._following(scores, everywhere, character)
            if not following:
                best = max(scores, key=lambda state: (scores[state], state))
                following = {state: (scores[best] + self.start[state], best) for state in everywhere}
            scores = {state: score for state, (score, _) in following.items()}
            came_from.append({state: before for state, (_, before) in following.items()})
        ends = [state for state in self.last if state in scores] or list(scores)
        state = max(ends, key=lambda end: (scores[end], end))
        path = [state]
        for before in reversed(came_from):
            state = before[state]
            path.append(state)
        return [self.states[state] for state in reversed(path)]

    def _following(
        self, scores: Mapping[int, float], allowed: Iterable[int], character: str
    ) -> dict[int, tuple[float, int]]:
        """For each allowed state that can follow: its best score and the state before it (the last of equal ones)."""
        following: dict[int, tuple[float, int]] = {}
        for state in allowed:
            into = self.into[state]
            emission = self.emitted[state].get(character, _NEVER_EMITTED)
            best, best_score = -1, 0.0
            for before, score in scores.items():
                step = into.get(before)
                if step is None:
                    continue
                score = score + step + emission
                if best < 0 or score > best_score or (score == best_score and before > best):
                    best, best_score = before, score
            if best >= 0:
                following[state] = (best_score, best)
        return following


def model_of(
    start: Mapping[State, float],
    steps: Mapping[State, Mapping[State, float]],
    emitted: Mapping[State, dict[str, float]],
    *,
    states_of: Mapping[str, Iterable[State]],
    last_places: str = "",
) -> HiddenMarkovModel:
    """Return the model of log probabilities keyed by states; no `last_places` lets a text end anywhere."""
    states = tuple(sorted(start))
    number = {state: index for index, state in enumerate(states)}
    into: tuple[dict[int, float], ...] = tuple({} for _ in states)
    for before, following in steps.items():
        for after, score in following.items():
            into[number[after]][number[before]] = score
    return HiddenMarkovModel(
        states=states,
        start=tuple(start[state] for state in states),
        into=into,
        emitted=tuple(emitted[state] for state in states),
        states_of={character: tuple(number[state] for state in allowed) for character, allowed in states_of.items()},
        known=frozenset().union(*emitted.values()),
        last=tuple(number[state] for state in states if state[0] in last_places),
    )
