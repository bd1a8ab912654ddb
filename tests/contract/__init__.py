"""What jhkube relies on in upstream's private code: each test fails with the sentence that no longer holds.

They need no cluster. They run with each version of JupyterHub that is supported, and once a week with the main
branches of KubeSpawner, JupyterHub and OAuthenticator (`.github/workflows/upstream.yml`).
"""
