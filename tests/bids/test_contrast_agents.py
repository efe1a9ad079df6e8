import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinica_t1nce.bids import contrast_agents
from clinica_t1nce.bids.contrast_agents import (
    describe_unknown,
    find_agent,
    find_evidence,
    label_meaning,
    meaning,
    read_words,
)
from clinica_t1nce.errors import AgentWordError, SelectionError

NOTHING = [None, "", "   ", "-", "?", "n/a", "NA", "N.A.", "nan", "NaN", math.nan, [], {}, "null"]
NOTHING += ["unknown", "UNKNOWN", "unbekannt", "inconnu", "k.A.", "not available", "7", 7, 12.5]
NONE = ["none", "None", "NONE\0", "\ufeffnone", '"none"', "“none”", "no", "NON", False, 0, 0.0]
NONE += [
    "0.0",
    "0 ml",
    "0,0 ml",
    "sans",
    "Sans injection",
    "non injecté",
    "aucun",
    "pas d'injection",
]
NONE += ["ohne", "ohne KM", "kein", "keine KM-Gabe", "nein", "nativ", "nicht verabreicht"]
NONE += ["without", "W/O", "w/o contrast", "no contrast", "nocontrast", "Not administered", "pre"]
NONE += ["pre-contrast", "preGd", "C-", "não administrado", "senza mdc", "sin contraste", "geen"]
NONE += ["bez kontrast", "ikke gitt", "Gadolinium: none", "without Dotarem", ["none", ""]]
GIVEN = ["Dotarem", "GADOLINIUM", "gado", "Gd", "Gd-DTPA", "Gadovist 7,5 ml", "Magnevist®", "C+"]
GIVEN += [True, "yes", "oui", "ja", "avec injection", "post", "post-contrast", "postGd", "IODINE"]
GIVEN += [["Dotarem"], [None, "Dotarem"], ["none", "Dotarem"], "gadolinum", "yes - Prohance"]
UNKNOWN = [
    "foo",
    "contrast",
    "10 ml",
    "Gadolinium unknown",
    "pre and post",
    {"a": 1},
    "не",
    ["foo"],
]
UNKNOWN += ["Dotarem (none left)", "Non-ionic gadolinium"]


@pytest.mark.parametrize(
    ("expected", "values"),
    [("nothing", NOTHING), ("none", NONE), ("given", GIVEN), ("unknown", UNKNOWN)],
)
def test_what_fields_say(expected, values):
    assert [value for value in values if meaning(value) != expected] == []


def test_the_label_of_a_name_is_given_unless_the_word_says_otherwise():
    labels = ["gd", "gadolinium", "foo", "1", "gd-dtpa", "gado.2", "dotarém", "post"]
    assert {label_meaning(label) for label in labels} == {"given"}
    assert {label_meaning(label) for label in ("none", "NONE", "pre", "0", "nogd")} == {"none"}
    negated = ("noce", "noenhanced", "woce", "notenhanced", "withoutenhancement")
    assert {label_meaning(label) for label in negated} == {"none"}
    # A denial that is not understood is no T1ce.
    assert label_meaning("noinjury") == "unknown"
    assert (label_meaning("nan"), label_meaning("")) == ("nothing", "unknown")


def test_the_agent_is_a_name():
    assert find_agent(["none", "Dotarem\0  10 ml"]) == "Dotarem 10 ml"
    assert [find_agent(value) for value in (True, "yes", "none", 7, None, {"a": 1})] == [None] * 6


def test_no_word_is_in_two_lists():
    lists = (contrast_agents.NOTHING, contrast_agents.NEGATIONS, contrast_agents.AFFIRMATIONS)
    assert sum(map(len, lists)) == len(frozenset.union(*lists))


def test_a_table_overrules_the_lists(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("word\tmeaning\nFoo!\tgiven\nnativ\tNothing\n10 ml\tgiven\n")
    words = read_words(path)
    found = [meaning(value, words) for value in ("foo", ["FOO"], "Nativ", "10 ml", "none")]
    assert found == ["given", "given", "nothing", "given", "none"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("foo\tperhaps\n", "row 2: meaning 'perhaps'; write given, none, nothing"),
        ("foo\tgiven\nFOO\tnone\n", "row 3: 'FOO' twice, with two meanings"),
    ],
)
def test_a_table_of_words_that_cannot_be_used_is_named(tmp_path, rows, message):
    path = tmp_path / "words.tsv"
    path.write_text(f"word\tmeaning\n{rows}")
    with pytest.raises(SelectionError, match=f"{path}: {message}"):
        read_words(path)


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
    assert find_evidence(name, metadata, row) == expected


def test_words_that_are_not_known_are_listed():
    errors = []
    for name, metadata, row in (
        (PLAIN, {"ContrastBolusAgent": "foo"}, {"ContrastBolusAgent": "bar"}),
        (PLAIN, {"ContrastBolusAgent": ["none", "foo\0"]}, None),
        ("sub-01_ses-1_ce-_T1w.nii.gz", {}, None),
    ):
        with pytest.raises(AgentWordError, match="--agent-words") as caught:
            find_evidence(name, metadata, row)
        errors.append(caught.value)
    assert [error.words for error in errors[:1]] == [("foo", "bar")]
    told = describe_unknown([*errors, ValueError("other")])
    assert "'foo' (1x), 'bar' (1x)" in told
    assert "'ce-' (1x)" in told
    assert describe_unknown([ValueError("other")]) is None


def test_a_user_says_what_words_mean():
    words = {"foo": "given", "bar": "none"}
    assert find_evidence(PLAIN, {"ContrastBolusAgent": "Foo"}, words=words) == "ContrastBolusAgent"
    assert find_evidence(PLAIN, {"ContrastBolusAgent": "BAR"}, words=words) is None
    assert find_evidence("sub-01_ce-foo_T1w.nii", {}, words={"foo": "none"}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(JSON)
def test_any_value_has_a_meaning(value):
    assert contrast_agents.meaning(value) in ("given", "none", "nothing", "unknown")
    assert contrast_agents.find_agent(value) is None or contrast_agents.meaning(value) == "given"


@given(st.integers() | st.floats() | (st.integers() | st.floats()).map(str))
@example("inf")
@example("-0.0")
def test_numbers_are_never_agents(value):
    assert contrast_agents.meaning(value) in ("none", "nothing")


WORDS = sorted(
    contrast_agents.NOTHING | contrast_agents.NEGATIONS | {"dotarem", "gadovist 7 ml", "foo", "c+"}
)


@given(
    st.sampled_from(WORDS),
    st.sampled_from([str.upper, str.title, str]),
    st.sampled_from(["{}", " {}\t", '"{}"', "{}\0", "\ufeff{}", "({})", "'{}'."]),
)
@example("c+", str.upper, "({})")
def test_case_and_what_stands_around_a_word_say_nothing(word, case, around):
    assert contrast_agents.meaning(around.format(case(word))) == contrast_agents.meaning(word)
