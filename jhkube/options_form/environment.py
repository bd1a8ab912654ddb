"""Environment variables that people may set: which ones an operator lists, and what somebody gives."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, Strict, ValidationInfo, field_validator

from jhkube.operator_errors import not_wanted
from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import ENVIRONMENT_NAME, Groups, Line, Regex, TextList, Wanted

from .option_values import LONGEST, OptionError, listed, question, shown, there_are

__all__ = [
    "Variable",
    "is_reserved",
    "kept_environment",
    "literal_environment",
    "parse_environment_names",
    "read_environment",
    "variables_for",
]

MOST: Final = 50
"""How many variables an operator can list: so many a person can set at most."""

_RESERVED = re.compile(
    # What jhkube, JupyterHub, KubeSpawner, Kubernetes and docker-stacks say to a server, and jhkube to git.
    r"(?:JHKUBE|JUPYTER|JPY|KUBERNETES|OAUTH|NB_|CULL_|MEM_|CPU_|GIT_).*"
    # Where the loader, shells and languages find their programs and start files.
    r"|(?:LD_|DYLD_|GLIBC_|GCONV_|MALLOC_|BASH|PYTHON|IPYTHON|CONDA|VIRTUAL_ENV|PERL|RUBY|GEM_|NODE_|NPM_|JULIA_|R_"
    r"|_?JAVA_|JDK_|SSH_|SUDO_|XDG_|LESS).*"
    r"|(?:.*_)?LIBRARY_PATH|(?:CLASS|CD|MAN|MODULE|LOC|NLS|FONT)?PATH|PATHEXT"
    r"|HOME|USER|LOGNAME|SHELL|SHELLOPTS|ENV|IFS|PS[0-9]|PWD|OLDPWD|UID|GID|EUID|HOSTNAME|HOSTALIASES|TERMINFO"
    r"|PROMPT_COMMAND|EDITOR|VISUAL|PAGER|BROWSER|_",
    re.IGNORECASE,
)


def is_reserved(name: str) -> bool:
    """Say whether jhkube, JupyterHub, the loader, a shell or a language reads a variable of this name.

    Whoever sets it could have another program run, or send the server's token elsewhere.

    Examples
    --------
    >>> [name for name in ("LD_PRELOAD", "JPY_USER", "PYTHONPATH", "Path", "OMP_NUM_THREADS") if is_reserved(name)]
    ['LD_PRELOAD', 'JPY_USER', 'PYTHONPATH', 'Path']
    """
    return _RESERVED.fullmatch(name) is not None


def _free(name: str) -> str:
    if not re.fullmatch(ENVIRONMENT_NAME, name):
        raise ValueError
    if is_reserved(name):
        raise not_wanted("a variable that neither jhkube, JupyterHub, a shell nor a language uses itself")
    return name


class Variable(OperatorModel):
    """A variable that people may set."""

    name: Annotated[
        str, Strict(), AfterValidator(_free), Wanted("the name of an environment variable, such as 'SURVEY'")
    ]
    """The variable's name."""

    pattern: Regex = ""
    """What a value has to match as a whole; empty for any text on one line."""

    values: TextList = ()
    """The values to choose from; empty where a value is typed."""

    display_name: Line = Field(default="", validate_default=True)
    """What people read; the variable's name where it is not given."""

    description: Line = ""
    """One more line for people: what it is good for."""

    groups: Groups = frozenset()
    """The hub groups that may set it; everybody where empty."""

    @field_validator("display_name")
    @classmethod
    def _name_for_people(cls, given: str, info: ValidationInfo) -> str:
        return given or str(info.data.get("name", ""))

    def accepted(self, value: Any) -> str:
        """Return a value that the variable can have; empty where it is not to be set.

        Raises
        ------
        OptionError
            Where it cannot have the value.
        """
        if value is None or value == "":
            return ""
        if not isinstance(value, str) or not value.isprintable():
            raise OptionError("environment", f"The variable {self.name} should be a text on one line.")
        if len(value) > LONGEST:
            raise OptionError("environment", f"The variable {self.name} should be at most {LONGEST} characters long.")
        if self.values and value not in self.values:
            raise OptionError(
                "environment", f"The variable {self.name} cannot be {shown(value)}; {there_are(self.values)}."
            )
        if self.pattern and not re.fullmatch(self.pattern, value):
            why = f" {self.description}" if self.description else ""
            raise OptionError("environment", f"The variable {self.name} cannot be set to {shown(value)}.{why}")
        return value


def parse_environment_names(config: Any) -> tuple[Variable, ...]:
    """Return the variables of a configured list: names, or dicts with the fields of `Variable`.

    >>> parse_environment_names(["SURVEY", {"name": "THREADS", "pattern": "[1-9]"}])[1].pattern
    '[1-9]'

    Raises
    ------
    ConfigError
        Where one of them cannot be: it is reserved, there twice, or one too many.
    """
    if isinstance(config, list | tuple):
        config = [{"name": entry} if isinstance(entry, str) else entry for entry in config]
    variables = read_list(Variable, "environment_names", config)
    names = [variable.name for variable in variables]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(f"environment_names[{number}].name: {name!r} is there twice")
    if len(names) > MOST:
        raise ConfigError(f"environment_names: should be at most {MOST} variables, not {len(names)}")
    return variables


def variables_for(groups: Collection[str], variables: Sequence[Variable]) -> tuple[Variable, ...]:
    """Return the variables that somebody in these hub groups may set."""
    mine = frozenset(groups)
    return tuple(each for each in variables if not each.groups or each.groups & mine)


def read_environment(options: Mapping[str, Any], variables: Sequence[Variable]) -> dict[str, str]:
    """Return the variables that options set, in the operator's order; a value that is empty sets none.

    Raises
    ------
    OptionError
        For the first variable that cannot be taken.
    """
    given = options.get("environment")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise OptionError(
            "environment",
            f"The option 'environment' should be an object such as {{'SURVEY': 'deep'}}, not {shown(given)}.",
        )
    known = [variable.name for variable in variables]
    if given and not known:
        raise OptionError("environment", "Environment variables cannot be set on this hub: leave them out.")
    for name in given:
        if name not in known:
            hint = question(str(name), known) or f" There are {listed(known)}."
            raise OptionError("environment", f"The variable {shown(name)} cannot be set on this hub.{hint}")
    read = ((variable.name, variable.accepted(given.get(variable.name))) for variable in variables)
    return {name: value for name, value in read if value}


def kept_environment(options: Mapping[str, Any], variables: Sequence[Variable]) -> tuple[dict[str, str], list[str]]:
    """Return the variables of an earlier choice that can be set now, and the names of the others."""
    given = options.get("environment")
    kept: dict[str, str] = {}
    gone: list[str] = []
    for name, value in given.items() if isinstance(given, Mapping) else ():
        try:
            kept |= read_environment({"environment": {name: value}}, variables)
        except OptionError:
            gone.append(str(name))
    return kept, gone


def literal_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables so that a server gets them as they were typed.

    KubeSpawner fills in braces, and kubelet `$(NAME)`: what somebody types must not bring in what they have not seen,
    such as the server's token.
    """
    return {
        name: value.replace("{", "{{").replace("}", "}}").replace("$", "$$") for name, value in environment.items()
    }
