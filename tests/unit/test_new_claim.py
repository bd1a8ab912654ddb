"""A disk that is made without a server: what it may be, what it is called, and whose it says that it is."""

import pytest

from jhkube.service.claim_views import claim_view
from jhkube.service.new_claim import check_new_claim, claim_name, new_claim
from jhkube.service.ownership import claims_of
from jhkube.service.refusals import Refusal

CLAIM = new_claim("disk-ada--data", "ada", "github:1", {"name": "data", "size": "5Gi"})


def test_a_disk_says_whose_it_is_and_that_it_is_no_servers():
    assert claims_of([CLAIM], "github:1") == [CLAIM]
    assert claims_of([CLAIM], "github:2") == []
    assert claim_view(CLAIM, [])["server"] is None
    assert CLAIM["metadata"]["labels"]["hub.jupyter.org/username"] == "ada"
    assert CLAIM["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    more = {"size": "5Gi", "storage_class": "fast", "access_mode": "ReadWriteMany"}
    spec = new_claim("data", "ada", "github:1", more)["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("fast", ["ReadWriteMany"])


@pytest.mark.parametrize(("one", "other"), [(("a", "b--c"), ("a--b", "c")), (("Ada", "x"), ("ada", "x"))])
def test_two_people_never_have_one_name_for_a_disk(one, other):
    assert claim_name(*one, own_namespace=False) != claim_name(*other, own_namespace=False)
    assert claim_name("ada", "data", own_namespace=True) == "data"


@pytest.mark.parametrize(
    ("claims", "size", "most", "status"),
    [
        ([], "5Gi", 1, 0),
        ([{"metadata": {"annotations": {}}}], "10Gi", 1, 0),
        ([], "5Gi", 0, 403),
        ([CLAIM], "5Gi", 1, 409),
        ([], "11Gi", 1, 400),
        ([], "0", 1, 400),
        ([], "10", 1, 400),
    ],
)
def test_as_many_and_as_large_as_the_operator_has_it(claims, size, most, status):
    if not status:
        check_new_claim(claims, size, most=most, largest="10Gi")
        return
    with pytest.raises(Refusal) as refused:
        check_new_claim(claims, size, most=most, largest="10Gi")
    assert refused.value.status == status
