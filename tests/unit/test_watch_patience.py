"""What an operator says of a start's patience."""

import re

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jhkube.operator_models import ConfigError
from jhkube.spawner import JHKubeSpawner
from jhkube.watch.patience import FOREVER, Patience, parse_patience


def test_what_is_not_said_stays_as_it_is():
    assert parse_patience({"pull": 0, "unschedulable": None}) == Patience(pull=0, unschedulable=FOREVER)


def test_the_help_text_names_the_defaults():
    help_text = " ".join(JHKubeSpawner.start_patience.help.split())
    said = dict(re.findall(r"`(\w+)` \([^;()]*; (?:by default )?(\d+)\)", help_text))
    defaults = {name: str(int(seconds)) for name, seconds in Patience().model_dump().items() if seconds != FOREVER}
    assert said == defaults


@pytest.mark.parametrize("config", [[], "a minute", 60])
def test_what_is_not_a_dict_is_refused(config):
    with pytest.raises(ConfigError, match=r"^start_patience: should be a dict"):
        parse_patience(config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"pul": 3}, "start_patience: there is no field 'pul'; did you mean 'pull'?"),
        ({"pull": -1}, "start_patience.pull: should be a number of seconds from 0 on, or None for no end, not -1"),
        ({"pull": "a minute"}, "not 'a minute'"),
        ({"pull": True}, "not True"),
        ({"pull": float("nan")}, "not nan"),
    ],
)
def test_what_is_none_is_refused_at_once_by_the_traits_name(config, said):
    with pytest.raises(TraitError) as refused:
        JHKubeSpawner(_mock=True, config=Config({"JHKubeSpawner": {"start_patience": config}}))
    assert str(refused.value).startswith("c.JHKubeSpawner.start_patience")
    assert said in str(refused.value)
