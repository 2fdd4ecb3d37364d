"""The shipped counting rules: whole files, and names that say what was counted."""

import tomllib

import pytest

from mvd.errors import ProtocolError
from mvd.protocol import CountingRule, Protocol
from mvd.rules import rule_choices, rule_comment, rule_names, rule_text

NAMES = ("area", "branches", "chalkley", "kini", "lumen", "sized", "weidner")


def test_the_rules_are_these() -> None:
    assert rule_names() == NAMES


def test_kini_is_the_default() -> None:
    assert Protocol.of_rule("kini") == Protocol()


@pytest.mark.parametrize("name", NAMES)
def test_a_rules_file_states_its_name_and_every_choice_of_the_rule(name: str) -> None:
    stated = tomllib.loads(rule_text(name))
    assert stated["rule"].keys() == CountingRule.model_fields.keys()
    assert Protocol.of_rule(name).rule.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_rules_file_says_what_it_is_and_nothing_but_comments_is_before_it(name: str) -> None:
    comment = rule_comment(name)
    assert comment.startswith(f"# {name}: ")
    assert rule_text(name).startswith(comment + "[rule]\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_rules_protocol_is_written_and_read_without_loss(name: str) -> None:
    protocol = Protocol.of_rule(name)
    assert Protocol.from_toml(protocol.to_toml()) == protocol


def test_no_two_rules_make_the_same_choices() -> None:
    choices = [Protocol.of_rule(name).model_dump_json(exclude={"rule": {"name"}}) for name in NAMES]
    assert len(set(choices)) == len(NAMES)


UNKNOWN = {
    "a slip": ("weidener", "no rule 'weidener' \\(did you mean 'weidner'\\?\\); the rules are area, branches"),
    "a capital": ("Kini", "did you mean 'kini'"),
    "something else": ("zzz", "no rule 'zzz'; the rules are area"),
    "a path": ("../kini", "no rule '../kini'"),
}


@pytest.mark.parametrize(("name", "sentence"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_rule_is_told_with_those_there_are(name: str, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        Protocol.of_rule(name)


# A name of a shipped rule stands for its choices

FALSE_NAMES = {
    "kini by default, another gap": ("[rule]\njoin_gap_um = 5", r"'rule\.join_gap_um' is 5\.0 where kini has 8\.0"),
    "kini, branches apart": ("[rule]\nname = 'kini'\nbranches = 'separate'", "'rule.branches' is \"separate\" where"),
    "spelt otherwise": ("[rule]\nname = ' KINI '\nbone_edge_um = 0", r"'rule\.bone_edge_um' is 0\.0 where kini has"),
    "the name alone": ("[rule]\nname = 'lumen'", r"'rule\.lumen_required' is false where lumen has true"),
    "another rule's classes": ("[rule]\nname = 'sized'", r"'rule\.size_classes' is not that of sized"),
    "weidner in systematic fields": (
        "[rule]\nname = 'weidner'\njoin_gap_um = 0\nsingle_cells = 'count'",
        "'fields.placement' is \"systematic\" where weidner has \"hotspot\", 'fields.number' is 5 where",
    ),
    "another measure": ("[rule]\nname = 'area'", '\'counts.measure\' is "density" where area has "area"'),
}


@pytest.mark.parametrize(("text", "sentence"), FALSE_NAMES.values(), ids=FALSE_NAMES.keys())
def test_a_shipped_rules_name_on_other_choices_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence) as caught:
        Protocol.from_toml(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("study.toml: 'rule.name' is ")
    assert "give the rule a name of its own" in line


@pytest.mark.parametrize("name", NAMES)
def test_what_a_rule_does_not_state_is_the_studys_own(name: str) -> None:
    mine = {"title": "mine", "counts": {"confidence": 0.9}, "fields": {"seed": 7, "border": "centre"}}
    stated = {section: dict(choices) for section, choices in rule_choices(name).items()}
    for section in ("counts", "fields"):
        stated[section] = stated.get(section, {}) | mine[section]  # type: ignore[operator]
    assert Protocol.model_validate(stated).rule.name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_that_a_rule_states_is_bound_to_its_name(name: str) -> None:
    stated = rule_choices(name)
    for section, choices in stated.items():
        for key in choices.keys() - {"name"}:
            protocol = Protocol.of_rule(name).model_dump()
            protocol[section][key] = _other(protocol[section][key])
            with pytest.raises(ValueError, match=rf"'{section}\.{key}' is"):
                Protocol.model_validate(protocol)
            protocol["rule"]["name"] = "ours"
            assert Protocol.model_validate(protocol).rule.name == "ours"


def _other(value: object) -> object:
    """Another allowed value."""
    pairs = [("one", "separate"), ("reject", "count"), ("hotspot", "manual"), ("area", "density"), ("chalkley", "area")]
    words = dict([*pairs, *((two, one) for one, two in pairs[:2])])
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.5
        case str():
            return words[value]
    return () if value else ({"name": "all"},)
