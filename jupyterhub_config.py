"""The Hub's composition: proxy, login, spawner, services, roles and scopes. No logic."""

from mavis_core import config
from mavis_hub import hub
from mavis_hub.edge import API_ENTRY_POINT, API_USER, ENTRY_POINT
from mavis_hub.hub_proxy import EdgeFileProxy
from mavis_hub.login import SystemAuthenticator, TryOutAuthenticator
from mavis_hub.spawning import LOOK_EVERY_S, SystemSpawner, TryOutSpawner
from mavis_hub.users import demo_passwords

c = get_config()
mavis = config.load()

# The Hub itself
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{mavis.ports.hub}"
c.JupyterHub.bind_url = mavis.public_url
c.JupyterHub.public_url = f"{mavis.public_url}/"
c.JupyterHub.db_url = f"sqlite:///{mavis.home}/hub/jupyterhub.sqlite"
c.JupyterHub.upgrade_db = True
c.JupyterHub.cookie_secret_file = str(mavis.secret_file("hub", "hub-cookie-secret"))
c.JupyterHub.cleanup_servers = True
c.JupyterHub.allow_named_servers = False
c.JupyterHub.default_url = hub.START_PAGE
c.JupyterHub.template_paths = [hub.TEMPLATES]
c.JupyterHub.template_vars = {
    "announcement": "" if mavis.isolated else hub.TRY_OUT_NOTICE,
    "start_page": hub.START_PAGE,
    "site": mavis.appliance.name,
}

# Proxy: the edge proxy runs by itself and reads our routes from a file
c.JupyterHub.proxy_class = EdgeFileProxy
c.EdgeFileProxy.should_start = False
c.EdgeFileProxy.enable_setup_dynamic_config = False
c.EdgeFileProxy.dynamic_config_file = str(mavis.home / "edge" / "dynamic" / "hub.toml")
c.EdgeFileProxy.edge_group = "mavis-edge" if mavis.isolated else ""
c.EdgeFileProxy.traefik_entrypoint = ENTRY_POINT
c.EdgeFileProxy.traefik_api_entrypoint = API_ENTRY_POINT
c.EdgeFileProxy.traefik_api_url = f"http://127.0.0.1:{mavis.ports.edge_api}"
c.EdgeFileProxy.traefik_api_username = API_USER
c.EdgeFileProxy.traefik_api_password = mavis.read_secret("hub", "edge-api-password")

# Login
c.JupyterHub.authenticator_class = SystemAuthenticator if mavis.isolated else TryOutAuthenticator
c.Authenticator.allowed_users = hub.people(mavis)
c.Authenticator.allow_existing_users = False
c.TryOutAuthenticator.passwords = demo_passwords(mavis)
c.ServersAuthenticator.api_url = f"http://127.0.0.1:{mavis.ports.api}"
c.ServersAuthenticator.servers_token = mavis.read_secret("hub", "servers-token")

# Single-user servers
c.JupyterHub.spawner_class = SystemSpawner if mavis.isolated else TryOutSpawner
c.Spawner.poll_interval = LOOK_EVERY_S
c.SimpleLocalProcessSpawner.home_dir_template = f"{mavis.home}/homes/{{username}}"
c.LocalProcessSpawner.interrupt_timeout = 4
c.LocalProcessSpawner.term_timeout = 2
c.LocalProcessSpawner.kill_timeout = 2
c.Spawner.cmd = [hub.program("jupyterhub-singleuser")]
c.Spawner.args = hub.server_arguments(mavis)
c.Spawner.env_keep = []
c.Spawner.environment = hub.server_environment(mavis)
c.Spawner.default_url = "/lab"
c.Spawner.server_token_scopes = list(hub.SERVER_SCOPES)

# Services, roles and scopes
c.JupyterHub.services = [
    hub.service(mavis),
    hub.login_service(mavis),
    hub.gateway_service(mavis),
    hub.idle_culler(mavis),
]
c.JupyterHub.custom_scopes = hub.custom_scopes()
c.JupyterHub.load_groups = {
    mavis.hub.admin_group: {"users": sorted(hub.administrators(mavis))},
}
c.JupyterHub.load_roles = hub.roles(mavis)
