"""All settings, a class a section."""

from __future__ import annotations

from dataclasses import dataclass

from mavis_core.config.declaring import (
    DATABASE_URL,
    HOST,
    HTTP_URL,
    PORT,
    RECORD_PERIODS,
    S3_URL,
    between,
    one_of,
    or_empty,
    setting,
)


@dataclass(frozen=True, slots=True)
class ApplianceConfig:
    """The machine as a whole."""

    name: str = setting("Mavis", "The name that pages show.")
    isolation: str = setting(
        "auto",
        "users: every service and person has a Unix user of its own (needs root). none: all run"
        " as the one who starts Mavis, for a try-out; real cloud accounts are refused."
        " auto: users where started as root, else none.",
        one_of("auto", "users", "none"),
    )


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """The edge proxy: the only public port."""

    host: str = setting("127.0.0.1", "The address to listen on; 0.0.0.0 for all.", HOST)
    port: int = setting(8443, "The public port.", PORT)
    public_host: str = setting(
        "",
        "The host name that people type; empty: the address to listen on.",
        or_empty(HOST),
    )
    tls: str = setting(
        "self-signed",
        "self-signed: made at first start, its fingerprint is printed. files: `certificate` and"
        " `key`. acme: Let's Encrypt for `public_host`. off: plain HTTP, for loopback only.",
        one_of("self-signed", "files", "acme", "off"),
    )
    certificate: str = setting("", "PEM file with the certificate chain, with tls = files.")
    key: str = setting("", "PEM file with the private key, with tls = files.")
    acme_email: str = setting("", "Where the certificate authority writes to, with tls = acme.")


@dataclass(frozen=True, slots=True)
class PortsConfig:
    """Ports on loopback. Each of them demands a secret."""

    hub: int = setting(18441, "The Hub's pages and API, behind the edge proxy.", PORT)
    api: int = setting(18443, "The REST API, behind the edge proxy.", PORT)
    prefect: int = setting(18444, "Prefect's API and UI, for api and worker.", PORT)
    edge_api: int = setting(18445, "The edge proxy's API, for the Hub.", PORT)
    dashboards: int = setting(18446, "Dashboards' frames, behind the edge proxy.", PORT)
    gateway: int = setting(18447, "Terminals of remote sessions, behind the edge proxy.", PORT)


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The REST API."""

    rate_per_s: float = setting(
        50.0, "Calls a second that one person may make over a long time.", between(0.1, 100_000)
    )
    burst: int = setting(
        400, "Calls that one person may make at once after a rest.", between(1, 1_000_000)
    )


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """The main database."""

    url: str = setting(
        "",
        "SQLAlchemy address; empty: SQLite in the state folder.",
        or_empty(DATABASE_URL),
        secret=True,
    )
    pool_size: int = setting(4, "Connections that one process keeps.", between(1, 64))


@dataclass(frozen=True, slots=True)
class HubConfig:
    """JupyterHub."""

    admin_group: str = setting("mavis-admins", "The Hub group whose members administer Mavis.")
    admin_users: str = setting("", "Names of administrators, separated by commas.")
    allowed_users: str = setting("", "Names of others who may log in, separated by commas.")
    idle_timeout_s: int = setting(
        3600, "A single-user server idle for so long is stopped.", between(60, 604800)
    )


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """The AWS kit. Endpoints, proxies and retries are set in the configuration file, as always."""

    config_file: str = setting(
        "", "AWS configuration file of the platform worker; empty: aws/config in the state folder."
    )


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The platform worker."""

    concurrency: int = setting(8, "Runs that are executed at a time.", between(1, 64))
    calls: int = setting(16, "Calls to one environment at a time, of one Run.", between(1, 64))
    pending_copies: int = setting(
        20,
        "Copies of volume snapshots that are under way into one region of an account at a time;"
        " where a cloud takes fewer, the others wait.",
        between(1, 1000),
    )
    api_rate: float = setting(
        1.0,
        "Calls that the API budget lets begin, as a multiple of what a cloud grants an account"
        " that asked for no more.",
        between(0.01, 1000),
    )
    poll_s: float = setting(0.5, "Seconds between looks for queued Runs.", between(0.05, 60))
    settle_s: float = setting(
        30.0,
        "After a crash, an object that the cloud does not show counts as not made only when its"
        " intent is older than this many seconds.",
        between(0, 3600),
    )
    snapshot_timeout_s: float = setting(
        6 * 3600.0, "A snapshot that is not complete by then has failed.", between(1, 172800)
    )


@dataclass(frozen=True, slots=True)
class DashboardsConfig:
    """Published dashboards."""

    max_kernels: int = setting(
        20, "Pages that can be open at a time; each has a kernel of its own.", between(1, 500)
    )
    preheated: int = setting(
        2, "Kernels that wait, ready to show a dashboard at once; 0: none.", between(0, 50)
    )
    idle_s: int = setting(
        30,
        "A kernel whose page has not been heard of for so many seconds is ended.",
        between(10, 3600),
    )
    cell_timeout_s: int = setting(
        60, "A cell that takes more seconds than that is ended.", between(1, 3600)
    )
    kernel_memory_mb: int = setting(
        1024, "Memory that a kernel may ask for, in MiB.", between(256, 65536)
    )


@dataclass(frozen=True, slots=True)
class LogsConfig:
    """The log: what is at hand at once, and what is archived."""

    archive_after_days: int = setting(
        30,
        "Records that are older are moved to the object store; at the latest when they are twice as"
        " old.",
        between(1, 3650),
    )
    hot_records: int = setting(
        1_000_000,
        "Records that the index holds at most; what is more is moved to the object store sooner.",
        between(1000, 100_000_000),
    )
    segment_records: int = setting(
        500_000, "Records that one segment of the archive holds.", between(1000, 5_000_000)
    )
    cache_mb: int = setting(
        2048, "Disk space for copies of segments that were asked for, in MiB.", between(0, 1 << 20)
    )
    lock_days: int = setting(
        0,
        "Days for which the object store must keep a segment of the archive; with"
        " `objects.lock` nobody can remove it before. 0: no promise.",
        between(0, 36500),
    )
    scrub_days: int = setting(
        7,
        "The archive is read and compared with its digests again after so many days; what is"
        " damaged is told by `mavisctl status` and recorded. 0: never.",
        between(0, 3650),
    )
    keep_audit_days: int = setting(
        0,
        "Days for which audit records are kept; then they are erased, within five weeks, but for"
        " those on a legal hold. 0: always.",
        between(0, 36500),
    )
    keep_operation_days: int = setting(
        0, "The same for operation records, that the platform saw itself.", between(0, 36500)
    )
    keep_reported_days: int = setting(
        0, "The same for what others reported, such as cells of notebooks.", between(0, 36500)
    )
    keep_projects: str = setting(
        "",
        "Other periods for single projects: `prj_…: audit=DAYS, operation=DAYS, reported=DAYS`,"
        " with a semicolon between projects. What is not named is as above.",
        or_empty(RECORD_PERIODS),
    )
    cells: str = setting(
        "reported",
        "reported: kernels of Mavis report the cells that people run to the log of the project."
        " off: what they report is thrown away, and they stop.",
        one_of("reported", "off"),
    )
    sql_seconds: float = setting(
        10.0, "A question in SQL that takes longer is ended.", between(1, 15)
    )
    sql_memory_mb: int = setting(
        512,
        "Memory that a question in SQL may use, in MiB, with the records that it is asked of.",
        between(128, 65536),
    )
    sql_records: int = setting(
        500_000,
        "Records of which a question in SQL can be asked; of more only a shorter time.",
        between(1, 50_000_000),
    )


@dataclass(frozen=True, slots=True)
class SyslogConfig:
    """The receiver of others' logs."""

    listen: str = setting(
        "off",
        "off: there is no receiver. tls: syslog over TLS with client certificates, on `host` and"
        " `port`. local: Unix sockets for programs of this machine. both: tls and local.",
        one_of("off", "tls", "local", "both"),
    )
    host: str = setting("127.0.0.1", "The address to listen on; 0.0.0.0 for all.", HOST)
    port: int = setting(6514, "The port for syslog over TLS.", PORT)
    client_ca: str = setting(
        "",
        "PEM file of a further authority whose client certificates may be admitted; empty: only"
        " those that `mavisctl syslog issue` makes.",
    )
    connections: int = setting(128, "Connections over TLS at a time.", between(1, 4096))
    rate: int = setting(
        2000, "Messages a second that one client may send on the long run.", between(1, 1_000_000)
    )
    idle_s: int = setting(
        3600, "Seconds after which a connection that brings nothing is ended.", between(5, 604_800)
    )
    local_group: str = setting(
        "",
        "The Unix group whose members may write to the Unix sockets; empty: root and the receiver"
        " alone.",
    )

    @property
    def takes_network(self) -> bool:
        """Whether it listens for TLS."""
        return self.listen in ("tls", "both")

    @property
    def takes_local(self) -> bool:
        """Whether it has Unix sockets."""
        return self.listen in ("local", "both")


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """Remote sessions: the gateway and its door for SSH clients."""

    door: str = setting(
        "on",
        "on: SSH clients may come to `host` and `port`. off: browsers only.",
        one_of("on", "off"),
    )
    host: str = setting("127.0.0.1", "The door's address; 0.0.0.0 for all.", HOST)
    port: int = setting(2222, "The door's port.", PORT)
    public_host: str = setting(
        "",
        "The host name by which SSH clients reach the door; empty: `edge.public_host`, else the"
        " host of the address by which one logged in.",
        or_empty(HOST),
    )
    certificate_hours: int = setting(
        24,
        "Hours for which a certificate of a person (`mavis ssh login`) is good at most.",
        between(1, 24),
    )
    sessions: int = setting(
        200, "Sessions that each process of the gateway has at a time.", between(1, 10_000)
    )
    processes: int = setting(
        1,
        "Processes of the gateway; a second one is for a second core. They listen on"
        " `ports.gateway` and the numbers after it.",
        between(1, 8),
    )
    loopback: str = setting(
        "refused",
        "Whether devices may have an address of this machine itself, on which the appliance's own"
        " services listen: refused or allowed.",
        one_of("refused", "allowed"),
    )
    connect_s: float = setting(
        15.0, "A device that does not answer for so many seconds is told as such.", between(1, 120)
    )
    lost_s: float = setting(
        120.0,
        "A device, or a client at the door, that acknowledges nothing for so many seconds has lost"
        " its connection: its sessions end. A network that is cut for half of it is outlived.",
        between(5, 900),
    )
    spool_mb: int = setting(
        4096,
        "Disk space for recordings that are not yet in the object store, in MiB. When it is full,"
        " sessions end.",
        between(64, 1 << 20),
    )
    keep_recordings_days: int = setting(
        0,
        "Days for which recordings are kept; then they are erased, but for those on a legal hold."
        " 0: always.",
        between(0, 36500),
    )


@dataclass(frozen=True, slots=True)
class ObjectsConfig:
    """The object store: the log's archive, and recordings."""

    url: str = setting(
        "",
        "s3://BUCKET/PREFIX; empty: the folder `objects` in the state folder. The account is read"
        " from `secrets/logs/objects-account`, an AWS configuration file, where there is one.",
        or_empty(S3_URL),
    )
    endpoint_url: str = setting(
        "", "Address of a store that speaks S3 and is not AWS; empty: AWS.", or_empty(HTTP_URL)
    )
    region: str = setting("us-east-1", "The bucket's region.")
    anchors_url: str = setting(
        "",
        "s3://BUCKET/PREFIX of a second store, best in an account of its own, to which seals of the"
        " log are copied; empty: none. Its account is read from `secrets/logs/anchors-account`.",
        or_empty(S3_URL),
    )
    lock: str = setting(
        "none",
        "How the store keeps what must be kept: none: by our own rule. governance or compliance: by"
        " the bucket's object lock, which must be on.",
        one_of("none", "governance", "compliance"),
    )
