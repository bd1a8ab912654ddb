"""What jhkube relies on in OAuthenticator."""

import inspect

import pytest
from oauthenticator import oauth2
from oauthenticator.cilogon import CILogonOAuthenticator
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.oauth2 import OAuthenticator

from jhkube.cluster_accounts import CLAIMS_KEY
from tests.contract.reading import calls, names, parameters, relies_on

METHODS = {
    "_call_refresh_user_hook": (["user", "auth_state"], True, "it calls the operator's `refresh_user_hook`"),
    "_call_modify_auth_state_hook": (["auth_state"], True, "it calls the operator's `modify_auth_state_hook`"),
    "_apply_managed_groups": (["auth_model"], True, "it puts managed groups into what a login comes to"),
    "get_token_info": (["handler", "params"], True, "it gets the tokens of a login"),
    "token_to_user": (["token_info"], True, "it asks the provider who has a token"),
    "build_auth_state_dict": (["token_info", "user_info"], False, "it makes the auth_state of the two answers"),
    "build_refresh_token_request_params": (["refresh_token"], False, "it makes the request for a new token"),
    "update_auth_model": (["auth_model"], True, "a login is completed by this method"),
    "run_post_auth_hook": (["handler", "auth_model"], True, "it comes last of a login"),
    "check_allowed": (["username", "auth_model"], True, "it says who may log in"),
    "refresh_user": (["user", "handler", "kwargs"], True, "it looks at somebody who is logged in"),
}


@pytest.mark.parametrize("base", [GitHubOAuthenticator, CILogonOAuthenticator])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_jhkube_calls_or_overrides_is_there(name, base):
    wanted, is_coroutine, sentence = METHODS[name]
    with relies_on(f"`{name}`: {sentence}"):
        method = getattr(base, name)
        assert parameters(method) == wanted
        assert inspect.iscoroutinefunction(method) == is_coroutine


def test_a_login_goes_through_its_steps_in_this_order():
    with relies_on("a login gets its tokens, asks who has them, builds the state and completes the result"):
        steps = names(OAuthenticator.authenticate) + names(OAuthenticator._token_to_auth_model)
        wanted = ["get_token_info", "token_to_user", "build_auth_state_dict", "update_auth_model"]
        found = [steps.index(step) for step in wanted]
        assert found == sorted(found)


def test_a_state_that_comes_back_can_be_read():
    with relies_on("`_deserialize_state` reads what `_serialize_state` wrote, and nothing out of what is no state"):
        assert oauth2._deserialize_state(oauth2._serialize_state({"next_url": "/x"})) == {"next_url": "/x"}
        assert oauth2._deserialize_state("no state") == {}


def test_every_request_goes_through_fetch():
    with relies_on("`httpfetch` makes its requests by `fetch`, which jhkube overrides"):
        assert "self.fetch" in calls(OAuthenticator.httpfetch)


def test_who_may_log_in_is_said_without_githubs_own_check_too():
    with relies_on("`OAuthenticator.check_allowed` can be called past GitHub's, which asks for organizations"):
        assert GitHubOAuthenticator.check_allowed is not OAuthenticator.check_allowed


@pytest.mark.parametrize("base", [GitHubOAuthenticator, CILogonOAuthenticator])
def test_settings_that_jhkube_reads_or_gives_defaults_to_are_there(base):
    with relies_on("`user_auth_state_key` is a text, and `custom_403_message` has one by default"):
        assert isinstance(base.user_auth_state_key, str)
        assert isinstance(base.class_traits()["custom_403_message"].default_value, str)


def test_the_claims_of_an_openid_login_are_at_their_place_in_auth_state():
    with relies_on("what an OpenID provider says about a person is kept in auth_state as `oauth_user`"):
        assert GenericOAuthenticator.user_auth_state_key == CLAIMS_KEY
