"""Objects kept as bytes."""

from jhkube.watch.packed import PackedObjects, object_key, slim_event, slim_pod


def pod(name, version="1", **extra):
    return {"metadata": {"namespace": "hub", "name": name, "resourceVersion": version, **extra}}


def packed(*pods):
    objects = PackedObjects()
    for each in pods:
        objects.put(object_key(each), each)
    return objects


def test_it_is_a_mapping_of_what_was_put():
    objects = packed(pod("a"), pod("b"))
    assert dict(objects) == {"hub/a": pod("a"), "hub/b": pod("b")}
    assert objects.get("hub/c") is None
    assert "hub/a" in objects
    assert len(objects) == 2


def test_what_is_read_is_the_readers_own():
    objects = packed(pod("a"))
    objects["hub/a"]["metadata"]["name"] = "changed"
    assert objects["hub/a"] == pod("a")


def test_a_newer_object_takes_the_place_of_the_older_and_comes_last():
    objects = packed(pod("a"), pod("b"), pod("a", "2"))
    assert list(objects) == ["hub/b", "hub/a"]
    assert objects.version("hub/a") == "2"


def test_an_object_of_the_same_version_is_taken_over_without_reading_it():
    old, new = packed(pod("a")), PackedObjects()
    assert new.keep("hub/a", old, "1")
    assert not new.keep("hub/a", old, "2")
    assert not new.keep("hub/b", old, "1")
    assert new["hub/a"] == pod("a")


def test_what_is_dropped_is_gone():
    objects = packed(pod("a"))
    assert objects.drop("hub/a")
    assert not objects.drop("hub/a")
    assert "hub/a" not in objects


def test_a_pod_is_kept_without_environment_and_bookkeeping():
    shown = slim_pod(
        {
            **pod("a", managedFields=[{"manager": "kubelet"}], annotations={"hub.jupyter.org/username": "ada"}),
            "spec": {
                "nodeName": "node1",
                "initContainers": [{"name": "proxy", "restartPolicy": "Always", "env": []}],
                "containers": [{"name": "notebook", "env": [{"name": "TOKEN", "value": "s3cret"}]}],
                "tolerations": [{}],
            },
        }
    )
    assert "s3cret" not in str(shown)
    assert "managedFields" not in shown["metadata"]
    assert shown["metadata"]["annotations"] == {"hub.jupyter.org/username": "ada"}
    assert shown["spec"] == {
        "nodeName": "node1",
        "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "notebook", "ports": []}],
    }
    assert shown["status"] == {"phase": "Pending", "podIP": None}


def test_an_event_always_has_the_times_that_kubespawner_reads():
    shown = slim_event(
        {
            "metadata": {"name": "e", "creationTimestamp": "2026-11-20T00:00:00Z", "managedFields": []},
            "lastTimestamp": None,
            "eventTime": None,
        }
    )
    assert shown["lastTimestamp"] or shown["eventTime"]
    assert "managedFields" not in shown["metadata"]


def test_two_are_compared_without_reading_them():
    one, other = packed(pod("a")), packed(pod("a"))
    assert one != other
    assert one == one
    one._packed["hub/a"] = other._packed["hub/a"] = ("1", b"not even JSON")
    assert one != other


def test_a_thousand_pods_are_a_few_objects_to_the_garbage_collector():
    import gc

    objects = packed(*(pod(f"pod-{number}") for number in range(1000)))
    gc.collect()
    tracked = [each for each in objects._packed.values() if any(map(gc.is_tracked, each))]
    assert tracked == []


def test_what_is_kept_is_as_large_as_its_json_without_spaces():
    objects = packed(pod("ä"), pod("b"))
    texts = [f'{{"metadata":{{"namespace":"hub","name":"{name}","resourceVersion":"1"}}}}' for name in ("ä", "b")]
    assert objects.nbytes == sum(len(text.encode()) for text in texts)
    objects.drop("hub/b")
    assert objects.nbytes == len(texts[0].encode())
    assert repr(objects) == f"<1 objects, {objects.nbytes} bytes>"


def test_a_reader_reads_an_object_as_it_was_even_once_that_is_gone():
    objects = packed(pod("a"))
    read = objects.reader("hub/a")
    objects.put("hub/a", pod("a", "2"))
    objects.drop("hub/a")
    assert read is not None
    assert read() == pod("a")
    assert objects.reader("hub/a") is None
