"""`jhkube operator`: notebooks and servers by custom resource."""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.config
import os
from pathlib import Path

from traitlets.config import Config

from jhkube.checks.configured import load_cluster_configuration
from jhkube.commands.frame import CommandError, set_up
from jhkube.deployment.settings import Settings
from jhkube.kube import own_namespace
from jhkube.logs import JSON_LINES
from jhkube.operator.crds import printed_crds

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Start and stop notebooks (JupyterNotebook) and servers of a hub's people (JupyterServer) by custom resource."
        " It runs until it is stopped; what it has started continues. By default it works in its own namespace.",
        configured=False,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--namespace", action="append", default=[], metavar="NAME", help="a namespace to work in; may be repeated"
    )
    where.add_argument("--all-namespaces", action="store_true", help="work in all namespaces")
    parser.add_argument("--standalone", action="store_true", help="use no KopfPeering: there is no other operator")
    parser.add_argument(
        "--liveness-port", type=int, default=0, metavar="PORT", help="the port of /healthz (default: none)"
    )
    parser.add_argument(
        "--metrics-port", type=int, default=0, metavar="PORT", help="the port of /metrics (default: none)"
    )
    parser.add_argument(
        "--hub-url", default="", metavar="URL", help="the address of the API of a hub, to start its servers"
    )
    parser.add_argument(
        "--hub-token-file", type=Path, metavar="FILE", help="a file with the token that the operator has at this hub"
    )
    parser.add_argument(
        "--public-url", default="", metavar="URL", help="the hub's address in the browser, for URLs in the status"
    )
    parser.add_argument("--no-notebooks", action="store_true", help="ignore JupyterNotebooks")
    parser.add_argument("--crds", action="store_true", help="print the CustomResourceDefinitions and exit")


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Work until a signal comes, or print the definitions; return the exit status."""
    if arguments.crds:
        print(printed_crds(), end="")
        return 0
    try:
        from jhkube.operator.process import OperatorError, OperatorOptions, run_operator
        from jhkube.operator.server_work import HubOptions
    except ModuleNotFoundError as error:
        if error.name != "kopf":
            raise
        raise CommandError("kopf is not installed: run `pip install 'jhkube[operator]'`") from None
    if bool(arguments.hub_url) != bool(arguments.hub_token_file):
        raise CommandError("--hub-url and --hub-token-file go together: set both, or neither")
    load_cluster_configuration()
    _set_up_log(Settings(os.environ)["log.format"])
    options = OperatorOptions(
        namespaces=() if arguments.all_namespaces else tuple(arguments.namespace) or (own_namespace(),),
        standalone=arguments.standalone,
        liveness_port=arguments.liveness_port,
        metrics_port=arguments.metrics_port,
        notebooks=not arguments.no_notebooks,
        hub=HubOptions(arguments.hub_url, arguments.hub_token_file, arguments.public_url)
        if arguments.hub_url
        else None,
    )
    try:
        asyncio.run(run_operator(options, os.environ))
    except OperatorError as error:
        raise CommandError(str(error)) from None
    return 0


def _set_up_log(form: str) -> None:
    if form == "json":
        handlers = {"console": {"class": "logging.StreamHandler", "formatter": "console"}}
        logging.config.dictConfig(
            {"version": 1, "disable_existing_loggers": False, "handlers": handlers, **JSON_LINES}
        )
    else:
        logging.basicConfig(level=logging.WARNING, format="[%(levelname)1.1s %(asctime)s %(name)s] %(message)s")
    logging.getLogger("jhkube").setLevel(logging.INFO)
    # On DEBUG kopf would log whole resources, and tokens with them.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # Which of two operators works.
    logging.getLogger("kopf._core.engines.peering").setLevel(logging.INFO)
