import torch

from clinica_t1nce.models.tensors import faults, in_words


def test_each_kind_of_fault_is_told_by_name():
    expected = {"a": (2, 3), "b": (1,), "c": ()}
    found = {"a": torch.zeros(3, 2), "b": torch.tensor([torch.nan]), "d": torch.zeros(1)}
    problems = faults(expected, found)
    assert problems == {
        "missing": ["c"],
        "superfluous": ["d"],
        "of another shape": ["a (3, 2) for (2, 3)"],
        "not finite": ["b"],
    }
    words = "c missing; d superfluous; a (3, 2) for (2, 3) of another shape; b not finite"
    assert in_words(problems) == words


def test_no_fault():
    assert faults({"a": (2,)}, {"a": torch.zeros(2)}) == {}


def test_many_are_counted():
    assert in_words({"missing": ["a", "b", "c", "d"]}) == "a, b, and 2 more missing"
