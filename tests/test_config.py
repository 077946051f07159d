import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacit.config import flat, merge, read_yaml
from tacit.core import TEACHER
from tacit.errors import UsageError
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import RunConfig, assign, build

TREES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=3)


@pytest.mark.parametrize("method", METHODS)
def test_every_preset_survives_a_round_trip_through_yaml(method):
    needs = METHODS[method].needs(METHODS[method].Config())
    teacher = {"teacher": "x"} if TEACHER in needs else {}
    kind = next(name for name, modality in MODALITIES.items() if not needs - modality.offers - {TEACHER})
    for preset in METHODS[method].presets:
        config = build([{"data": "x", "modality": {"name": kind}, "method": {"name": method}}, teacher], preset)
        assert RunConfig.from_yaml(config.to_yaml()) == config


def test_scientific_notation_and_durations_are_numbers():
    config = build([{"data": "x"}, assign(["optimiser.lr=1e-3", "budget.time=1h30m", "modality.strong.grey=0"])])
    assert config.optimiser.lr == 0.001
    assert config.budget.seconds == 5400
    assert config.modality.strong.grey == 0
    assert config.modality.strong.jitter == 0.8, "one changed part leaves its siblings alone"


def test_all_mistakes_are_told_at_once_with_the_nearest_names():
    layers = [
        {"data": "x", "metod": 1, "method": {"temprature": 1, "temperature": -1}},
        {"optimiser": {"warmp": 3}, "modality": {"strong": {"crp": 1}}},
    ]
    with pytest.raises(UsageError) as told:
        build(layers)
    text = str(told.value)
    for part in ("'method'", "'temperature'", "greater than 0", "'warmup'", "'crop'", "5 settings are wrong"):
        assert part in text


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([{"data": "x", "method": {"name": "simcrl"}}], "did you mean 'simclr'"),
        ([{"data": "x", "encoder": {"name": "resnet8"}}], "did you mean 'resnet18'"),
        ([{"data": "x", "method": {"name": "rotation", "family": "mirror"}}], "transformations:mirror"),
        (
            [{"data": "x", "method": {"name": "supcon"}, "modality": {"name": "interactions"}}],
            "users have none .*next-item.*--method causal-prediction",
        ),
        ([{"data": "x", "budget": {"epochs": 1, "time": "1m"}}], "one budget"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_valid_ones(layers, said):
    with pytest.raises(UsageError, match=said):
        build(layers)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"budget": {"epochs": 1, "time": "1m"}},
            "budget: time and epochs are given; a run has one budget, so keep one of them",
        ),
        ({"batch": 10, "accumulate": 3}, "settings: batch 10 is not a multiple of accumulate 3"),
        (
            {"budget": {"time": "soon"}},
            "budget.time: not a duration; write it as 90s, 10m, 2h or 1h30m, given 'soon'",
        ),
        ({"seed": {"a": 1}}, "seed: Input should be a valid integer, given {'a': 1}"),
    ],
)
def test_what_is_wrong_with_a_section_is_told_without_all_that_it_holds(wrong, said):
    with pytest.raises(UsageError) as told:
        build([{"data": "x", **wrong}])
    assert str(told.value) == f"one setting is wrong in the settings:\n  {said}"


def test_a_setting_that_is_missing_is_named_alone():
    with pytest.raises(UsageError) as told:
        build([{}])
    assert str(told.value) == "one setting is wrong in the settings:\n  data: Field required"


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(UsageError, match="did you mean 'tutorial'"):
        build([{"data": "x"}], "tutoral")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x\n", "aliases"),
        ("a: 1\na: 2\n", "stands twice"),
        ("- a\n- b\n", "mapping"),
        ("a: [1, 2\n", "no valid YAML"),
        ("a: !!python/object:os.system x\n", "no valid YAML"),
    ],
)
def test_dangerous_or_broken_yaml_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_yaml(text, "settings.yaml")


@given(MAPPINGS)
def test_merging_nothing_or_itself_changes_nothing(tree):
    assert merge(tree) == merge(tree, {}) == merge({}, tree) == merge(tree, tree)


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_merging_is_associative(a, b, c):
    assert merge(merge(a, b), c) == merge(a, b, c)


def test_another_name_drops_the_options_of_the_first():
    assert merge({"m": {"name": "a", "x": 1}}, {"m": {"name": "b", "y": 2}}) == {"m": {"name": "b", "y": 2}}
    assert merge({"m": {"name": "a", "x": 1}}, {"m": {"y": 2}}) == {"m": {"name": "a", "x": 1, "y": 2}}


def test_flat_names_leaves_by_their_paths():
    assert flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(UsageError, match=r"method\.temperature=0\.2"):
        assign(["method.temperature"])


def test_what_a_recipe_says_of_its_encoder_is_not_said_of_another():
    users = {"modality": {"name": "interactions"}, "method": {"name": "simclr"}, "data": "x"}
    usual = build([users])
    assert (usual.encoder.name, usual.encoder.size) == ("transformer", "micro")
    assert build([users, {"encoder": {"dropout": 0.1}}]).encoder.size == "micro"
    other = build([users, {"encoder": {"name": "bag", "width": 24}}])
    assert other.encoder == type(other.encoder)(width=24)
    assert build([users, {"encoder": {"name": "bag"}}], preset="cl4srec").method.temperature == 0.5
    with pytest.raises(UsageError, match=r"encoder\.bag\.size"):
        build([users, {"encoder": {"name": "bag", "size": "micro"}}])
