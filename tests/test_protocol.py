"""The protocol reads and writes without loss, refuses what it does not know, and its digest names its choices."""

import hashlib
import json
import tomllib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mvd.errors import ProtocolError
from mvd.protocol import (
    NOT_MEASURING,
    ComparisonPlan,
    CountingRule,
    CountPlan,
    FieldPlan,
    InvolvedPlan,
    Protocol,
    ReviewPlan,
    SizeClass,
    StainPlan,
)

OTHER = Protocol(
    title='A "quoted" study\twith a tab\nand a line',
    timepoints=("before", "after 3 months", "µ"),
    rule=CountingRule(
        name="ours",
        lumen_required=True,
        join_gap_um=0.1,
        branches="separate",
        single_cells="count",
        size_classes=(SizeClass(name="wide_2", min_lumen_width_um=12.5, min_width_um=1), SizeClass(name="rest")),
    ),
    fields=FieldPlan(placement="hotspot", number=3, side_um=333.3, border="centre", seed=2**32 - 1),
    involved=InvolvedPlan(default="suggest"),
    counts=CountPlan(confidence=0.9, measure="area", hotspot_density=False, map_kernel_um=80.5),
    review=ReviewPlan(blinded=True, first_read="unaided", repeat_share=0.25, order_seed=3),
    compare=ComparisonPlan(counts="mean:anna,bert", post="latest", zeros="pratt", pairwise="all", confidence=0.9),
)


@pytest.mark.parametrize("protocol", [Protocol(), OTHER], ids=["default", "other"])
def test_a_protocol_written_and_read_is_the_same(protocol: Protocol) -> None:
    text = protocol.to_toml()
    assert Protocol.from_toml(text) == protocol
    assert Protocol.from_toml(text).to_toml() == text


@given(title=st.text(st.characters(exclude_categories=["Cs"]), max_size=20), gap=st.floats(0, 50))
def test_any_title_and_number_survive(title: str, gap: float) -> None:
    protocol = Protocol(title=title, rule=CountingRule(name="ours", join_gap_um=gap))
    assert Protocol.from_toml(protocol.to_toml()) == protocol


def test_an_empty_file_is_the_default_protocol() -> None:
    assert Protocol.from_toml("") == Protocol()


def test_the_written_protocol_explains_every_key() -> None:
    lines = Protocol().to_toml().splitlines()
    keys = [number for number, line in enumerate(lines) if line and line[0] not in "#["]
    assert len(keys) == 2 + sum(
        len(section) for section in tomllib.loads(Protocol().to_toml()).values() if isinstance(section, dict)
    )
    assert all(lines[number - 1].startswith("# ") for number in keys)


def test_the_defaults_are_the_studys() -> None:
    plan = Protocol().fields
    assert (plan.number, plan.side_um, plan.border, plan.placement) == (5, 250, "frame", "systematic")
    assert Protocol().rule.name == "kini"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fields]\nside = 250", r"unknown key 'fields\.side' \(did you mean 'side_um'\?\)"),
        ("titel = 'x'", r"unknown key 'titel' \(did you mean 'title'\?\)"),
        ("[field]\nnumber = 5", r"unknown key 'field' \(did you mean 'fields'\?\)"),
        ("zzz = 1", r"unknown key 'zzz'; mvd init"),
        ("[fields]\nnumber = 0", r"'fields\.number' is 0; expected a whole number at least 1 and at most 1000$"),
        ("[fields]\nnumber = 2.5", r"'fields\.number' is 2\.5; expected a whole number"),
        ("[fields]\nnumber = 5.0", r"'fields\.number' is 5\.0; expected a whole number"),
        ("[fields]\nside_um = nan", r"'fields\.side_um' is nan; expected a number at least 20 and at most 5000$"),
        ("[fields]\nside_um = '250'", r"'fields\.side_um' is '250'; expected a number"),
        ("[fields]\nmin_evaluable_fraction = 0.0", r"is 0\.0; expected a number above 0 and at most 1$"),
        ("[fields]\nborder = 'both'", r"'fields\.border' is 'both'; expected 'frame', 'centre' or 'touching'$"),
        ("[fields]\nseed = -1", r"'fields\.seed' is -1; expected"),
        ("[stain]\nsensitivity = 6", r"'stain\.sensitivity' is 6; expected a whole number at least -5 and at most 5$"),
        ("[stain]\nsensitivity = -6", r"'stain\.sensitivity' is -6; expected a whole number at least -5"),
        ("[stain]\nsensitivity = 0.5", r"'stain\.sensitivity' is 0\.5; expected a whole number"),
        ("[counts]\nconfidence = 1.0", r"'counts\.confidence' is 1\.0; expected a number above 0\.5 and below 1$"),
        ("[counts]\nconfidence = 95", r"'counts\.confidence' is 95"),
        ("[rule]\nlumen_required = 'false'", r"'rule\.lumen_required' is 'false'; expected true or false$"),
        ("[rule]\nlumen_required = 0", r"'rule\.lumen_required' is 0; expected true or false$"),
        ("[rule]\nname = ''", r"'rule\.name' is ''; expected a text of 1 to 64 characters$"),
        ("[rule]\nname = 7", r"'rule\.name' is 7; expected a text"),
        ("timepoints = []", r"'timepoints' is \[\]; expected a list in \[ \] with at least one entry$"),
        ("timepoints = 'pre'", r"'timepoints' is 'pre'; expected a list"),
        ("timepoints = ['pre', ' pre ']", "'timepoints': a timepoint is named twice$"),
        ("timepoints = ['pre', '']", r"'timepoints entry 2' is ''; expected a text"),
        ("title = 2020-01-01", "'title' is 2020-01-01; expected a text$"),
        ("fields = 3", r"'fields' is 3; expected a section"),
        ("[rule]\nsize_classes = 3", r"'rule\.size_classes' is 3; expected a list"),
        ("[rule]\nsize_classes = [{}]", r"'rule\.size_classes entry 1 name' is missing; expected a text"),
        (
            "[rule]\nsize_classes = [{name = 'No 1'}]",
            "entry 1 name' is 'No 1'; expected a text of small letters, digits",
        ),
        ("[rule]\nsize_classes = [{name = 'a', wall = 1}]", r"entry 1 wall' \(did you mean 'min_wall_um'\?\)"),
        ("[rule]\nsize_classes = [{name = 'a', min_wall_um = -1}]", "entry 1 min_wall_um' is -1; expected a number"),
        (
            "[rule]\nsize_classes = [{name = 'a', min_wall_um = 1}]",
            "the last class, and no other, must be without limits",
        ),
        ("[rule]\nsize_classes = [{name = 'a'}, {name = 'b'}]", "the last class, and no other, must be without limits"),
        ("[rule]\nsize_classes = [{name = 'a', min_wall_um = 1}, {name = 'a'}]", "a class is named twice"),
        ("[compare]\ncounts = 'anna'", r"'compare\.counts': 'anna' does not say whose counts; write 'program', 'obs"),
        ("[compare]\npost = 'last'", r"'compare\.post' is 'last'; expected 'earliest', 'latest' or 'mean'$"),
        ("[fields\nnumber = 5", "is not valid TOML: .*line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        Protocol.from_toml(text, where="my_study.toml")
    assert str(caught.value).startswith("my_study.toml")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ProtocolError) as caught:
        Protocol.from_toml("titel = 'x'\n[fields]\nnumber = 0\nside = 3")
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_said_of_a_part_is_not_said_of_the_whole_again() -> None:
    with pytest.raises(ProtocolError) as caught:
        Protocol.from_toml("timepoints = ['']")
    assert len(str(caught.value).splitlines()) == 1


def test_no_sentence_is_the_validators_own() -> None:
    wrong = "title = 1\ntimepoints = 'x'\n" + "".join(
        f"[{section}]\n" + "".join(f"{key} = []\n" for key in type(getattr(Protocol(), section)).model_fields)
        for section in ("stain", "fields", "involved", "counts", "review", "compare")
    )
    with pytest.raises(ProtocolError) as caught:
        Protocol.from_toml(wrong)
    lines = str(caught.value).splitlines()
    assert len(lines) == 26
    assert all("; expected " in line and "Input" not in line for line in lines)


def test_a_protocol_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Protocol().fields.number = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("counts", "kept", "observers"),
    [
        ("program", "program", ()),
        ("mean", "mean", ()),
        ("observer: Anna  B. ", "observer:Anna B.", ("Anna B.",)),
        ("mean:anna, bert,carl", "mean:anna,bert,carl", ("anna", "bert", "carl")),
    ],
)
def test_whose_counts_are_compared_is_one_choice(counts: str, kept: str, observers: tuple[str, ...]) -> None:
    plan = ComparisonPlan(counts=counts)
    assert (plan.counts, plan.observers) == (kept, observers)


# The digest


def test_the_digest_of_the_default_choices_changes_only_on_purpose() -> None:
    assert Protocol().digest == "464e7a635f1bfa00"


def test_a_choice_that_measures_as_before_leaves_the_digest_of_earlier_results() -> None:
    plans = [StainPlan(sensitivity=steps) for steps in range(-5, 6)]
    digests = {plan.sensitivity: Protocol(stain=plan).digest for plan in plans}
    without = Protocol().model_dump(mode="json", exclude={*NOT_MEASURING, "stain", "involved"})
    without |= {"stain": {"vectors": "slide"}, "involved": {"default": "all"}}
    text = json.dumps(without, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digests[0] == Protocol().digest == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert len(set(digests.values())) == len(plans)


def test_what_changes_no_measurement_does_not_change_the_digest() -> None:
    assert Protocol(title="another").digest == Protocol().digest
    plan = ReviewPlan(blinded=True, first_read="unaided", repeat_share=0.5, order_seed=7)
    assert Protocol(review=plan).digest == Protocol().digest
    assert Protocol(compare=ComparisonPlan(counts="mean", zeros="pratt")).digest == Protocol().digest


def test_a_whole_number_and_the_same_with_a_point_are_one_choice() -> None:
    whole, point = Protocol.from_toml("[fields]\nside_um = 250"), Protocol.from_toml("[fields]\nside_um = 250.0")
    assert whole.digest == point.digest == Protocol().digest


def _changes() -> list[tuple[str, str, object]]:
    """Another allowed value for every key of every section."""
    choices: list[tuple[str, str, object]] = []
    for section in ("stain", "rule", "fields", "involved", "counts"):
        before = getattr(Protocol(), section)
        for key, field in type(before).model_fields.items():
            value, options = getattr(before, key), get_args(field.annotation)
            if key == "size_classes":
                choices.append((section, key, (SizeClass(name="all"),)))
            elif isinstance(value, tuple):
                choices.append((section, key, ("Region 1",)))
            elif isinstance(value, bool):
                choices.append((section, key, not value))
            elif isinstance(value, int):
                choices.append((section, key, value + 1))
            elif isinstance(value, float):
                choices.append((section, key, value * 0.9))
            else:
                choices += [(section, key, option) for option in (options if key != "name" else ("ours",))]
    return [choice for choice in choices if getattr(getattr(Protocol(), choice[0]), choice[1]) != choice[2]]


@pytest.mark.parametrize(("section", "key", "value"), _changes())
def test_every_choice_changes_the_digest(section: str, key: str, value: object) -> None:
    named = {"rule": {"name": "ours"}}
    changed = Protocol.model_validate(named | {section: named.get(section, {}) | {key: value}})
    assert getattr(getattr(changed, section), key) == value
    assert changed.digest not in (Protocol().digest, Protocol.model_validate(named).digest) or key == "name"


def test_the_timepoints_change_the_digest() -> None:
    assert Protocol(timepoints=("pre", "3mo")).digest != Protocol().digest
