import math

import pytest

from clinica_t1nce.bids import agent_words
from clinica_t1nce.bids.agent_words import find_agent, label_meaning, meaning, read_words
from clinica_t1nce.errors import SelectionError

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
    assert (label_meaning("nan"), label_meaning("")) == ("nothing", "unknown")


def test_the_agent_is_a_name():
    assert find_agent(["none", "Dotarem\0  10 ml"]) == "Dotarem 10 ml"
    assert [find_agent(value) for value in (True, "yes", "none", 7, None, {"a": 1})] == [None] * 6


def test_no_word_is_in_two_lists():
    lists = (agent_words.NOTHING, agent_words.NEGATIONS, agent_words.AFFIRMATIONS)
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
