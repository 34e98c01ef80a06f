"""Groups that include one another in a circle are seen at once, in any order."""

from hypothesis import given, strategies as st

from vestibule.server.directory.includes import Includes


NAMES = st.sampled_from("abcdefgh")
EDGES = st.dictionaries(NAMES, st.frozensets(NAMES, max_size=3), max_size=8)
STEPS = st.lists(st.tuples(NAMES, st.frozensets(NAMES, max_size=3)), max_size=30)


def reaches(graph: dict[str, frozenset[str]], start: str, goal: str) -> bool:
    found, waiting = {start}, [start]
    while waiting:
        for name in graph.get(waiting.pop(), frozenset()) - found:
            found.add(name)
            waiting.append(name)
    return goal in found


@given(EDGES, STEPS)
def test_it_says_what_a_search_says(
    drawn: dict[str, frozenset[str]], steps: list[tuple[str, frozenset[str]]]
) -> None:
    # No circle at first: each includes only what comes behind it.
    graph = {
        name: frozenset(one for one in includes if one > name)
        for name, includes in drawn.items()
    }
    includes = Includes(graph)
    graph = dict(graph)
    for name, wanted in steps:
        rest = {**graph, name: frozenset[str]()}
        good = True
        for one in sorted(wanted):
            expected = not reaches(rest, one, name)
            assert includes.may_include(name, one) is expected
            good = good and expected
        if good:
            graph[name] = wanted
            includes.write(name, wanted)
        for one in "abcdefgh":
            expected_including = {k for k, v in graph.items() if one in v}
            assert set(includes.including(one)) == expected_including


def test_a_long_chain_needs_no_recursion() -> None:
    count = 20_000
    chain = {str(n): frozenset({str(n + 1)}) for n in range(count)}
    includes = Includes(chain)
    assert not includes.may_include(str(count), "0")
    assert includes.may_include("0", str(count))
