"""What the Hub is told; what it makes of it is seen in the integration tests."""

from dataclasses import replace

from jupyterhub.scopes import scope_definitions

from mavis_core.access import Scope
from mavis_core.config import Config
from mavis_hub import hub
from mavis_hub.folders import ensure_folders
from mavis_hub.login import TryOutAuthenticator
from mavis_hub.secrets import ensure_secrets
from mavis_hub.users import demo_passwords, ensure_demo_passwords


def test_every_scope_of_ours_is_defined() -> None:
    assert set(hub.custom_scopes()) == {scope.value for scope in Scope}


def test_every_other_scope_exists_in_the_hub() -> None:
    custom = set(hub.custom_scopes())
    for scope in (*hub.USER_SCOPES, *hub.ADMIN_SCOPES, *hub.SERVER_SCOPES, *hub.SERVICE_SCOPES):
        assert scope in custom or scope.split("!")[0] in scope_definitions


def test_a_server_s_token_neither_destroys_nor_administers() -> None:
    assert Scope.DESTROY.value not in hub.SERVER_SCOPES
    assert Scope.ADMIN.value not in hub.SERVER_SCOPES
    assert not any(scope.startswith(("tokens", "self", "users!")) for scope in hub.SERVER_SCOPES)


def test_an_administrator_cannot_act_as_somebody_else() -> None:
    for scope in ("tokens", "access:servers", "shares", "inherit"):
        assert scope not in hub.ADMIN_SCOPES


def test_nobody_may_log_in_before_somebody_is_named(isolated: Config) -> None:
    assert hub.people(isolated) == set()


def test_people_come_from_the_settings_and_the_demo(config: Config) -> None:
    named = replace(config, hub=replace(config.hub, admin_users="ada, bob", allowed_users="eve,"))
    ensure_folders(named)
    assert hub.people(named) == {"ada", "bob", "eve"}
    ensure_demo_passwords(named)
    assert hub.administrators(named) == {"ada", "bob", "demo-admin"}
    assert hub.people(named) >= {"demo-operator", "demo-enduser", "eve"}


def test_demo_passwords_are_kept(config: Config) -> None:
    ensure_folders(config)
    ensure_demo_passwords(config)
    before = demo_passwords(config)
    ensure_demo_passwords(config)
    assert demo_passwords(config) == before
    assert len(set(before.values())) == 3


def test_the_service_has_no_route_of_the_hub_s(config: Config) -> None:
    ensure_folders(config)
    ensure_secrets(config, {})
    service = hub.service(config)
    assert "url" not in service
    assert service["oauth_redirect_uri"].endswith("/services/mavis/oauth_callback")


def test_logins_by_browser_may_ask_for_one_thing_and_servers_may_not_ask(config: Config) -> None:
    ensure_folders(config)
    ensure_secrets(config, {})
    service = hub.login_service(config)
    assert service["oauth_client_allowed_scopes"] == ["tokens!user"]
    assert service["oauth_client_id"] != hub.service(config)["oauth_client_id"]
    assert service["api_token"] != hub.service(config)["api_token"]
    access = f"access:services!service={service['name']}"
    assert access in hub.USER_SCOPES
    assert access not in (*hub.SERVER_SCOPES, *hub.SERVICE_SCOPES)
    assert not [role for role in hub.roles(config) if service["name"] in role.get("services", [])]
    assert "tokens" not in " ".join(hub.service(config)["oauth_client_allowed_scopes"])


def test_people_on_an_isolated_appliance_have_no_kernel_ports(
    config: Config, isolated: Config
) -> None:
    assert "--ConnectionFileMixin.transport=ipc" in hub.server_arguments(isolated)
    assert "--ConnectionFileMixin.transport=tcp" in hub.server_arguments(config)


def test_new_notebooks_get_the_kernel_with_mavis_in_it(config: Config) -> None:
    assert "--MultiKernelManager.default_kernel_name=mavis" in hub.server_arguments(config)


async def login(passwords: dict[str, str], name: str, password: str) -> str | None:
    authenticator = TryOutAuthenticator(passwords=passwords)
    return await authenticator.authenticate(None, {"username": name, "password": password})


def test_a_try_out_s_password_is_one_person_s() -> None:
    import asyncio

    passwords = {"ada": "correct horse", "bob": "battery"}
    assert asyncio.run(login(passwords, "ada", "correct horse")) == "ada"
    assert asyncio.run(login(passwords, "bob", "correct horse")) is None
    assert asyncio.run(login(passwords, "eve", "correct horse")) is None
    assert asyncio.run(login(passwords, "ada", "")) is None
