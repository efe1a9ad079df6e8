import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinica_t1nce.bids import agent_words
from clinica_t1nce.bids.agent_evidence import describe_unknown, evidence
from clinica_t1nce.errors import AgentWordError

PLAIN = "sub-01_ses-1_T1w.nii.gz"


@pytest.mark.parametrize(
    ("name", "metadata", "row", "expected"),
    [
        ("sub-01_ses-1_ce-gd_T1w.nii.gz", {}, None, "ce entity"),
        (
            "sub-01_ses-1_ce-gd_T1w.nii.gz",
            {"ContrastBolusAgent": "none"},
            None,
            "ce entity",
        ),
        (PLAIN, {"ContrastBolusIngredient": "GADOLINIUM"}, None, "ContrastBolusIngredient"),
        (
            PLAIN,
            {"ContrastBolusIngredient": "", "ContrastBolusAgent": "Dotarem 10 ml"},
            None,
            "ContrastBolusAgent",
        ),
        (PLAIN, {}, {"contrast_bolus_agent": "Gadovist"}, "scans.tsv"),
        (PLAIN, {}, {"ContrastBolusIngredient": "n/a"}, None),
        (PLAIN, {"ContrastBolusIngredient": "None"}, None, None),
        (PLAIN, {"ContrastBolusIngredient": None, "ContrastBolusAgent": []}, {}, None),
        (PLAIN, {}, {"acq_time": "2010-01-01T10:00:00"}, None),
        (PLAIN, {}, None, None),
        ("sub-01_ses-1_ce-none_T1w.nii.gz", {"ContrastBolusAgent": "Dotarem"}, None, None),
        (
            "sub-01_ses-1_ce-unknown_T1w.nii.gz",
            {"ContrastBolusAgent": "Dotarem"},
            None,
            "ContrastBolusAgent",
        ),
        (
            PLAIN,
            {"ContrastBolusIngredient": "foo", "ContrastBolusAgent": "Dotarem"},
            None,
            "ContrastBolusAgent",
        ),
        (PLAIN, {"ContrastBolusAgent": "none"}, {"ContrastBolusAgent": "Dotarem"}, "scans.tsv"),
    ],
)
def test_evidence(name, metadata, row, expected):
    assert evidence(name, metadata, row) == expected


def test_words_that_are_not_known_are_listed():
    errors = []
    for name, metadata, row in (
        (PLAIN, {"ContrastBolusAgent": "foo"}, {"ContrastBolusAgent": "bar"}),
        (PLAIN, {"ContrastBolusAgent": ["none", "foo\0"]}, None),
        ("sub-01_ses-1_ce-_T1w.nii.gz", {}, None),
    ):
        with pytest.raises(AgentWordError, match="--agent-words") as caught:
            evidence(name, metadata, row)
        errors.append(caught.value)
    assert [error.words for error in errors[:1]] == [("foo", "bar")]
    told = describe_unknown([*errors, ValueError("other")])
    assert "'foo' (1x), 'bar' (1x)" in told
    assert "'ce-' (1x)" in told
    assert describe_unknown([ValueError("other")]) is None


def test_a_user_says_what_words_mean():
    words = {"foo": "given", "bar": "none"}
    assert evidence(PLAIN, {"ContrastBolusAgent": "Foo"}, words=words) == "ContrastBolusAgent"
    assert evidence(PLAIN, {"ContrastBolusAgent": "BAR"}, words=words) is None
    assert evidence("sub-01_ce-foo_T1w.nii", {}, words={"foo": "none"}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(JSON)
def test_any_value_has_a_meaning(value):
    assert agent_words.meaning(value) in ("given", "none", "nothing", "unknown")
    assert agent_words.find_agent(value) is None or agent_words.meaning(value) == "given"


@given(st.integers() | st.floats() | (st.integers() | st.floats()).map(str))
@example("inf")
@example("-0.0")
def test_numbers_are_never_agents(value):
    assert agent_words.meaning(value) in ("none", "nothing")


WORDS = sorted(
    agent_words.NOTHING | agent_words.NEGATIONS | {"dotarem", "gadovist 7 ml", "foo", "c+"}
)


@given(
    st.sampled_from(WORDS),
    st.sampled_from([str.upper, str.title, str]),
    st.sampled_from(["{}", " {}\t", '"{}"', "{}\0", "\ufeff{}", "({})", "'{}'."]),
)
@example("c+", str.upper, "({})")
def test_case_and_what_stands_around_a_word_say_nothing(word, case, around):
    assert agent_words.meaning(around.format(case(word))) == agent_words.meaning(word)
