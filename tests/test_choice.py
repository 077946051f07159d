"""Which method is taken where none is asked for: the rule on made-up figures, who can be asked, what is kept."""

import json
from dataclasses import replace

import measured
import pytest

from tacit.choice import Case, able, choose, standing
from tacit.choice import measured as shipped
from tacit.errors import UsageError
from tacit.methods import METHODS
from tacit.modalities import MODALITIES
from tacit.settings import RunConfig
from tacit.training import configure

ALL = ("usual", "other", "third")


def case(samples=1000, seconds=60, kind="image", **figures):
    """Each figure is known to a tenth, up and down."""
    around = {name: (value, value - 0.1, value + 0.1) for name, value in figures.items()}
    return Case(kind, f"set of {samples}", samples, seconds, around)


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ([], "usual"),
        ([case(kind="text", usual=0.1, other=0.9)], "usual"),  # another kind of data
        ([case(usual=0.75, other=0.8, third=0.3)], "usual"),  # no more than chance
        ([case(usual=0.5, other=0.8, third=0.75)], "other"),
        ([case(usual=0.5, other=0.8, third=0.85), case(kind="text", other=0.9, third=0.2)], "other"),  # stands best
        ([case(usual=0.5, other=0.8), case(usual=0.8, other=0.5)], "usual"),  # one against one
        ([case(usual=0.5, other=0.8), case(usual=0.5, third=0.8)], "other"),  # what was not tried is as if beaten
        ([case(usual=0.5, other=0.8), case(usual=0.5, other=0.8), case(9**9, usual=0.8, other=0.5)], "other"),
    ],
)
def test_the_usual_method_stays_unless_others_were_better_beyond_chance(cases, expected):
    method, why = choose("image", "usual", ALL, samples=lambda: 1000, cases=cases)
    assert method == expected
    assert ("usual one" in why) or expected != "usual"


def test_the_nearest_sets_by_size_and_time_decide():
    short, long = ([case(samples, seconds, usual=a, other=b) for samples in (100, 1000)] for seconds, a, b in (
        (45, 0.8, 0.5), (3600, 0.5, 0.8)))  # fmt: skip
    for seconds, expected in ((30, "usual"), (7200, "other"), (None, "usual")):
        method, why = choose("image", "usual", ALL, seconds=seconds, cases=[*short, *long])
        assert method == expected
        assert f"({3600 if expected == 'other' else 45} s)" in why


def test_samples_are_counted_only_where_their_number_can_matter():
    def never():
        raise AssertionError

    assert choose("image", "usual", ALL, samples=never, cases=[case(usual=0.8), case(usual=0.8)])
    with pytest.raises(AssertionError):
        choose("image", "usual", ALL, samples=never, cases=[case(usual=0.8)] * 3)


def test_what_does_not_fit_is_not_chosen():
    cases = [case(usual=0.9, other=0.5, third=0.7)]
    assert choose("image", "usual", ["other", "third"], cases=cases)[0] == "third"
    assert choose("image", "usual", [], cases=cases) is None
    assert choose("image", "usual", ["untried"], cases=cases) is None
    assert choose("image", "usual", ["usual", "untried"], cases=[])[0] == "usual"


def test_a_method_that_was_measured_by_itself_is_not_chosen_for_it():
    by_itself = replace(case(other=0.9), beside=False)
    assert choose("image", "usual", ALL, cases=[by_itself]) == choose("image", "usual", ALL, cases=[])
    assert choose("image", "usual", ALL, cases=[case(usual=0.5, third=0.8), by_itself])[0] == "third"


def test_what_training_gained_is_told_by_the_interval_beside_the_network_untrained():
    shown = replace(case(up=0.8, level=0.55, down=0.3, closed=0.9), untrained={"up": 0.5, "level": 0.5, "down": 0.5})
    assert [shown.gained(name) for name in shown.figures] == ["better", "level", "worse", ""]
    assert [replace(shown, less=True).gained(name) for name in shown.figures] == ["worse", "level", "better", ""]


def test_few_cases_say_little():
    assert standing("other", [case(usual=0.5, other=0.8)]) == 0.75
    assert standing("other", [case(usual=0.5, other=0.8)] * 3) == 0.875
    assert standing("third", [case(usual=0.5, other=0.8)]) == 0.5


@pytest.mark.parametrize(
    ("kind", "encoder", "preset", "options", "some", "none"),
    [
        ("image", None, None, (), {"simclr", "rotation", "mae", "patches"}, {"ts2vec", "electra", "supcon"}),
        ("image", "convnet", None, (), {"simclr", "rotation"}, {"mae", "patches", "causal-prediction"}),
        ("image", "transformer", None, (), {"simclr", "mae"}, {"patches"}),
        ("image", "patches", None, (), {"patches"}, {"simclr", "mae"}),
        ("audio", None, "cola", (), {"simclr"}, {"byol", "mae"}),
        ("image", None, None, ("queue",), {"moco"}, {"simclr"}),
        ("image", None, None, ("no such",), set(), set(METHODS)),
    ],
)
def test_who_is_able(kind, encoder, preset, options, some, none):
    found = set(able(MODALITIES[kind], encoder, preset, options))
    assert some <= found
    assert not none & found


def test_what_ships_is_what_was_published():
    assert json.loads(json.dumps(measured.cases())) == [
        {**vars(each), "figures": {name: list(numbers) for name, numbers in each.figures.items()}} for each in shipped()
    ], "run benchmarks/measured.py"
    for each in shipped():
        assert each.untrained.keys() == each.figures.keys() - measured.CLOSED, each.name
        assert not each.beside or each.figures.keys() <= set(able(MODALITIES[each.kind], None, None, ()))


@pytest.mark.parametrize("method", sorted(METHODS.keys() - measured.CLOSED - {"distillation"}))
def test_what_ships_was_worth_its_training_on_some_real_set(method):
    """What has no network has nothing to gain on, and what a student has depends on its teacher."""
    cases = [case for case in shipped() if method in case.figures]
    assert "better" in [case.gained(method) for case in cases]


@pytest.mark.parametrize("kind", MODALITIES)
def test_every_kind_of_data_has_a_choice(kind):
    modality = MODALITIES[kind]
    method, why = choose(kind, modality.method, able(modality, None, None, ()), seconds=600.0)
    assert method in METHODS
    assert "\n" not in why


def test_the_choice_is_said_and_kept_and_does_not_outlive_another_name(tmp_path, capsys):
    run = configure([{"data": "digits"}])
    said = capsys.readouterr().err
    assert run.chosen is not None
    assert run.chosen.startswith(f"{run.method.name}: ")
    assert said.startswith(f"method {run.chosen}. --method")
    assert said.count("\n") == 1
    (tmp_path / "config.yaml").write_text(run.to_yaml())
    stored = RunConfig.from_yaml(run.to_yaml())
    assert configure([], resume=tmp_path) == configure([{"data": "digits"}], resume=tmp_path) == stored
    again = stored.model_dump(mode="json")
    assert configure([again]).chosen == run.chosen
    assert configure([again, {"method": {"name": "rotation"}}], preset=None).chosen is None
    assert configure([{"data": "digits", "method": {"name": "moco"}}]).chosen is None
    assert capsys.readouterr().err == ""


def test_settings_that_are_wrong_are_left_to_those_who_say_so():
    for wrong in (
        {"method": {"no": 1}},
        {"encoder": "convnet"},
        {"encoder": {"name": 3}},
        {"budget": {"time": "soon"}},
    ):
        with pytest.raises(UsageError):
            configure([{"data": "digits", **wrong}])
