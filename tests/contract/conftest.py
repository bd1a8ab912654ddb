"""What the tests of upstream's code need."""

from tests.unit.conftest import kubeconfig

__all__ = ["kubeconfig"]
