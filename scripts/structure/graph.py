"""Puts the rows of all files together: each objective once, each edge once, and what is odd about them counted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scripts.cli.counted import counted
from scripts.structure.files import Described, MalformedStructure, Prerequisite, StructureFile

_DAMAGED = re.compile(r"[\x80-\x9f\ufffd]|\?(?=[^\W\d_])(?![a-zA-Z])")
"""What is left of a letter that an encoding lacked: a question mark before a letter of another script, for example."""
SHOWN = 5
"""How many members of a circle a warning names."""


class Warned(NamedTuple):
    """Something odd. kind: its name for programs; number: how many rows, edges or objectives it concerns."""

    kind: str
    number: int
    sentence: str


class Objective(NamedTuple):
    """An objective as all files together describe it; an empty text is left open."""

    id: str
    name: str
    course_id: str
    course: str
    lecture: str
    complexity: str


class Structure(NamedTuple):
    """What the files state, without repetitions. edges: (objective, prerequisite) -> strength, None where not given."""

    objectives: Mapping[str, Objective]
    edges: Mapping[tuple[str, str], float | None]
    warnings: Sequence[Warned]


def put_together(files: Sequence[StructureFile], known: Collection[str]) -> Structure:
    """The structure of the files, whose edges may also name the objectives that the database has (`known`).

    Raises MalformedStructure where two rows contradict each other.
    """
    objectives: dict[str, Described] = {}
    stated: list[Prerequisite] = []
    repeated = 0
    for file in files:
        of_edges = set(file.columns) <= {"id", "prerequisite", "strength"}
        for row in file.rows:
            stated += row.prerequisites
            if of_edges:
                continue
            earlier = objectives.get(row.id)
            repeated += earlier is not None and "prerequisite" not in file.columns
            objectives[row.id] = row if earlier is None else _merged(earlier, row)
    edges, warnings = _edges(stated, {*objectives, *known})
    found = [*_of_objectives(repeated, objectives.values()), *warnings, *_of_circles(circles(edges))]
    return Structure({row.id: Objective(row.id, row.name, *row[3:7]) for row in objectives.values()}, edges, found)


def _merged(first: Described, second: Described) -> Described:
    """One description out of two of the same objective."""
    texts = []
    for field in ("name", "course_id", "course", "lecture", "complexity"):
        one, other = getattr(first, field), getattr(second, field)
        if one and other and one != other:
            said = f"the {field.replace('_', ' ')} of {first.id[:40]!r} is {other[:40]!r}, but {one[:40]!r} in"
            raise MalformedStructure(second.place, f"{said} {first.place}")
        texts.append(one or other)
    name, course_id, course, lecture, complexity = texts
    return first._replace(name=name, course_id=course_id, course=course, lecture=lecture, complexity=complexity)


def _edges(
    stated: Iterable[Prerequisite], known: Collection[str]
) -> tuple[dict[tuple[str, str], float | None], list[Warned]]:
    edges: dict[tuple[str, str], float | None] = {}
    loops: dict[str, None] = {}
    unknown: dict[tuple[str, str], Prerequisite] = {}
    repeated = 0
    for edge in stated:
        pair = edge.objective_id, edge.prerequisite_id
        if edge.objective_id == edge.prerequisite_id:
            loops[edge.objective_id] = None
        elif edge.objective_id not in known or edge.prerequisite_id not in known:
            unknown[pair] = edge
        elif pair in edges:
            repeated += 1
            if None not in (edges[pair], edge.strength) and edges[pair] != edge.strength:
                raise MalformedStructure(edge.place, "this prerequisite was given another strength before")
            edges[pair] = edge.strength if edges[pair] is None else edges[pair]
        else:
            edges[pair] = edge.strength
    found = []
    if repeated:
        found.append(Warned("repeated_prerequisites", repeated, _told(repeated, "prerequisite", "stated again")))
    if loops:
        said = counted(len(loops), "objective is its own prerequisite", "objectives are their own prerequisites")
        said += f", such as {_some(loops)}: left out"
        found.append(Warned("own_prerequisites", len(loops), said))
    if unknown:
        (objective, prerequisite), edge = next(iter(unknown.items()))
        missing = prerequisite if prerequisite not in known else objective
        said = f"{counted(len(unknown), 'prerequisite names', 'prerequisites name')} an objective that is in no file"
        said += f" and not in the database, such as {missing[:60]!r} ({edge.place}): left out"
        found.append(Warned("unknown_objectives", len(unknown), said))
    return edges, found


def _of_objectives(repeated: int, objectives: Collection[Described]) -> Iterator[Warned]:
    if repeated:
        said = _told(repeated, "row", "about an objective that an earlier row has")
        yield Warned("repeated_objectives", repeated, said)
    blank = [row.id for row in objectives if not row.name]
    if 0 < len(blank) < len(objectives):
        said = _told(len(blank), "objective", f"without a name, such as {_some(blank)}")
        yield Warned("blank_names", len(blank), said)
    damaged = [row.name for row in objectives if _DAMAGED.search(row.name)]
    if damaged:
        said = counted(len(damaged), "name seems to have lost letters", "names seem to have lost letters")
        yield Warned("damaged_names", len(damaged), f"{said}, such as {_some(damaged)}: kept as they are")


def _of_circles(found: Sequence[Sequence[str]]) -> Iterator[Warned]:
    if found:
        inside = sum(map(len, found))
        shortest = min(found, key=len)
        said = f"{inside:,} objectives are, through others, prerequisites of themselves"
        yield Warned(
            "circles", len(found), f"{said} ({counted(len(found), 'circle')}), such as {_some(shortest)}: kept"
        )


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of objectives each of which is, through the others, its own prerequisite.

    These are the strongly connected parts of more than one objective, by Tarjan's algorithm without recursion, because
    a chain of prerequisites can be longer than Python's stack.

    >>> circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
    [['a', 'b', 'c']]
    """
    following: dict[str, list[str]] = {}
    for objective, prerequisite in edges:
        following.setdefault(objective, []).append(prerequisite)
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    is_waiting: set[str] = set()
    found: list[list[str]] = []
    for start in following:
        if start in order:
            continue
        path: list[tuple[str, Iterator[str]]] = [(start, iter(following[start]))]
        order[start] = lowest[start] = len(order)
        waiting.append(start)
        is_waiting.add(start)
        while path:
            here, rest = path[-1]
            step = next(rest, None)
            if step is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[here])
                if lowest[here] == order[here]:
                    part: list[str] = []
                    while not part or part[-1] != here:
                        part.append(waiting.pop())
                    is_waiting.difference_update(part)
                    if len(part) > 1:
                        found.append(sorted(part))
            elif step not in order:
                order[step] = lowest[step] = len(order)
                waiting.append(step)
                is_waiting.add(step)
                path.append((step, iter(following.get(step, ()))))
            elif step in is_waiting:
                lowest[here] = min(lowest[here], order[step])
    return found


def _told(number: int, one: str, what: str) -> str:
    return f"{counted(number, one)} {'is' if number == 1 else 'are'} {what}"


def _some(ids: Iterable[str]) -> str:
    listed = [f"{each[:60]!r}" for each in ids]
    more = f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
