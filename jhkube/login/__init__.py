"""From what an identity provider says about a person to who they are here.

A new provider is a class in a module of its own, as `oidc` is: on `openid.OpenIDAuthenticator` where it speaks OpenID
Connect, else on `authenticator.ProviderAuthenticator`, with its traits in a mixin.
"""
