"""What the hub's account must be allowed, by configuration."""

import pytest

from jhkube.checks.permissions import HubFacts, Permission, permissions, role_rules, service_permissions


def allowed(**facts):
    return {(each.verb, each.resource, each.namespace) for each in permissions(HubFacts(namespace="labs", **facts))}


def test_nothing_is_asked_for_twice():
    everything = HubFacts(
        services=True,
        internal_ssl=True,
        quotas=True,
        reviews_rights=True,
        user_namespaces=True,
        marks_ready=True,
        pull_secret="hub/pull",
        keeps_logs=True,
        own_secrets=True,
        home_leases=True,
        runs_my_servers=True,
    )
    wanted = [(each.verb, each.group, each.resource, each.namespace, each.name) for each in permissions(everything)]
    assert len(set(wanted)) == len(wanted)


def verbs(table, *, needed):
    """Return the verbs of a table by resource."""
    found: dict[str, set[str]] = {}
    for each in table:
        if each.needed is needed:
            found.setdefault(each.resource, set()).add(each.verb)
    return found


def test_a_plain_hub_and_the_service_need_this_and_no_more():
    hub = permissions(HubFacts(namespace="labs"))
    assert verbs(hub, needed=True) == {
        "pods": {"list", "watch", "create", "delete"},
        "secrets": {"create", "delete"},
        "events": {"list", "watch"},
        "persistentvolumeclaims": {"list", "watch", "create", "get", "delete"},
    }
    assert verbs(hub, needed=False) == {
        "pods": {"patch"},
        "secrets": {"patch"},
        "persistentvolumeclaims": {"patch"},
        "storageclasses": {"get"},
    }
    service = service_permissions("labs")
    assert verbs(service, needed=True) == {
        "pods": {"list", "get"},
        "pods/log": {"get"},
        "events": {"list"},
        "persistentvolumeclaims": {"list", "patch", "delete"},
        "storageclasses": {"list"},
    }
    more = [each for each in service_permissions("labs", own_secrets=True) if each not in service]
    assert verbs(more, needed=True) == {"configmaps": {"get", "create", "update"}, "secrets": {"create", "delete"}}
    (metrics,) = [each for each in (*service, *more) if not each.needed]
    assert (metrics.verb, metrics.group, metrics.resource) == ("list", "metrics.k8s.io", "pods")


@pytest.mark.parametrize(
    ("facts", "more"),
    [
        ({"services": True}, {(verb, "services", "labs") for verb in ("get", "create", "delete")}),
        ({"internal_ssl": True}, {("get", "secrets", "labs"), ("create", "services", "labs")}),
        ({"pull_secret": "hub/pull"}, {("get", "secrets", "hub")}),
        ({"marks_ready": True}, {(verb, "nodes", None) for verb in ("list", "watch")}),
        ({"keeps_logs": True}, {("get", "pods/log", "labs")}),
        ({"own_secrets": True}, {("get", "configmaps", "labs"), ("delete", "configmaps", "labs")}),
        ({"reads_pod_defaults": True}, {("list", "poddefaults", "labs")}),
        ({"runs_my_servers": True}, {("get", "pods/log", "labs"), ("list", "storageclasses", None)}),
        ({"home_leases": True}, {(verb, "leases", "labs") for verb in ("get", "create", "update")}),
        ({"home_leases": True, "home_lease_namespace": "homes"}, {("get", "leases", "homes")}),
        ({"reviews_rights": True}, {("create", "subjectaccessreviews", None)}),
        ({"quotas": True}, {(verb, "resourcequotas", "labs") for verb in ("create", "update", "delete")}),
    ],
)
def test_what_is_configured_needs_more(facts, more):
    assert more <= allowed(**facts)
    assert not more & allowed()


def test_a_hub_without_homes_on_claims_lists_claims_if_people_mount_their_disks():
    listing = ("list", "persistentvolumeclaims", "labs")
    assert listing in allowed(own_claims=False, mounts_own_disks=True)
    assert listing not in allowed(own_claims=False)


def test_a_pod_that_is_made_in_advance_is_given_to_its_server_with_a_patch():
    (plain,) = [each for each in permissions(HubFacts()) if (each.verb, each.resource) == ("patch", "pods")]
    (ahead,) = [
        each for each in permissions(HubFacts(starts_ahead=True)) if (each.verb, each.resource) == ("patch", "pods")
    ]
    assert (plain.needed, ahead.needed) == (False, True)


@pytest.mark.parametrize(
    ("facts", "resource"),
    [({"events": False}, "events"), ({"own_claims": False}, "persistentvolumeclaims")],
)
def test_what_is_not_configured_needs_nothing(facts, resource):
    assert resource in {each[1] for each in allowed()}
    assert resource not in {each[1] for each in allowed(**facts)}


def test_namespaces_of_peoples_own_need_everything_in_all_namespaces():
    assert {namespace for _, _, namespace in allowed(user_namespaces=True)} == {None}
    assert ("create", "namespaces", None) in allowed(user_namespaces=True)


def test_a_hub_that_runs_my_servers_may_do_all_that_it_asks_for_and_starts_servers_without_it():
    table = permissions(HubFacts(namespace="labs", runs_my_servers=True))
    allowed = {(each.verb, each.resource) for each in table}
    assert {(each.verb, each.resource) for each in service_permissions("labs")} <= allowed
    assert not {each.resource for each in table if each.needed} & {"pods/log", "storageclasses"}


@pytest.mark.parametrize("own_secrets", [False, True])
def test_nobodys_account_may_read_secrets(own_secrets):
    facts = HubFacts(namespace="labs", runs_my_servers=True, keeps_logs=True, own_secrets=own_secrets)
    table = [*permissions(facts), *service_permissions("labs", own_secrets=own_secrets)]
    assert not {each.verb for each in table if each.resource == "secrets"} & {"get", "list", "watch"}


def test_the_rules_of_a_role_have_one_line_a_resource():
    rules = role_rules(
        [
            Permission("watch", "pods", "labs", "…"),
            Permission("list", "pods", "labs", "…"),
            Permission("get", "secrets", "hub", "…", name="pull"),
            Permission("get", "storageclasses", None, "…", group="storage.k8s.io"),
        ]
    )
    assert rules == {
        "labs": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
        "hub": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["pull"], "verbs": ["get"]}],
        None: [{"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get"]}],
    }
