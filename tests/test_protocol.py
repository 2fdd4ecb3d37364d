"""The protocol reads and writes without loss, refuses what it does not know, and its digest names its choices."""

import tomllib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mvd.errors import ProtocolError
from mvd.protocol import CountingRule, CountPlan, FieldPlan, InvolvedPlan, Protocol

OTHER = Protocol(
    title='A "quoted" study\twith a tab\nand a line',
    timepoints=("before", "after 3 months", "µ"),
    rule=CountingRule(name="lumen", lumen_required=True, join_gap_um=0.1, branches="separate", single_cells="count"),
    fields=FieldPlan(placement="hotspot", number=3, side_um=333.3, border="centre", seed=2**32 - 1),
    involved=InvolvedPlan(default="suggest"),
    counts=CountPlan(confidence=0.9, hotspot_density=False),
)


@pytest.mark.parametrize("protocol", [Protocol(), OTHER], ids=["default", "other"])
def test_a_protocol_written_and_read_is_the_same(protocol: Protocol) -> None:
    text = protocol.to_toml()
    assert Protocol.from_toml(text) == protocol
    assert Protocol.from_toml(text).to_toml() == text


@given(title=st.text(st.characters(exclude_categories=["Cs"]), max_size=20), gap=st.floats(0, 50))
def test_any_title_and_number_survive(title: str, gap: float) -> None:
    protocol = Protocol(title=title, rule=CountingRule(join_gap_um=gap))
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
        ("[fields]\nnumber = 0", r"'fields\.number' is 0"),
        ("[fields]\nnumber = 2.5", r"'fields\.number' is 2\.5"),
        ("[fields]\nside_um = nan", r"'fields\.side_um' is nan"),
        ("[fields]\nmin_evaluable_fraction = 0.0", r"'fields\.min_evaluable_fraction' is 0\.0"),
        ("[fields]\nborder = 'both'", r"'fields\.border' is 'both': .*'frame', 'centre' or 'touching'"),
        ("[fields]\nseed = -1", r"'fields\.seed' is -1"),
        ("[counts]\nconfidence = 1.0", r"'counts\.confidence' is 1\.0"),
        ("[counts]\nconfidence = 95", r"'counts\.confidence' is 95"),
        ("timepoints = []", r"'timepoints' is \[\]"),
        ("timepoints = ['pre', ' pre ']", "a timepoint is named twice"),
        ("timepoints = ['']", r"'timepoints\.0' is ''"),
        ("fields = 3", r"'fields' is 3"),
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


def test_a_protocol_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Protocol().fields.number = 3  # type: ignore[misc]


# The digest


def test_the_digest_of_the_default_choices_changes_only_on_purpose() -> None:
    assert Protocol().digest == "593b0f1029c3e24e"


def test_the_title_does_not_change_the_digest() -> None:
    assert Protocol(title="another").digest == Protocol().digest


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
            if isinstance(value, bool):
                choices.append((section, key, not value))
            elif isinstance(value, int):
                choices.append((section, key, value + 1))
            elif isinstance(value, float):
                choices.append((section, key, value * 0.9))
            else:
                choices += [(section, key, option) for option in (options if key != "name" else ("lumen",))]
    return [choice for choice in choices if getattr(getattr(Protocol(), choice[0]), choice[1]) != choice[2]]


@pytest.mark.parametrize(("section", "key", "value"), _changes())
def test_every_choice_changes_the_digest(section: str, key: str, value: object) -> None:
    changed = Protocol.model_validate({section: {key: value}})
    assert getattr(getattr(changed, section), key) == value
    assert changed.digest != Protocol().digest


def test_the_timepoints_change_the_digest() -> None:
    assert Protocol(timepoints=("pre", "3mo")).digest != Protocol().digest
