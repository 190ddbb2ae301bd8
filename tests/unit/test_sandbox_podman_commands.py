"""The command lines of podman."""

from chautari_sandbox import nodes, podman_commands
from chautari_sandbox.podman_client import ExistingContainer
from chautari_sandbox.spec import NodeSpec, SandboxSpec

BASE = ("podman", "--runtime", "runc")
NODE = NodeSpec("bog1", "198.51.100.10", "12", ("cloud.example.org",))
SPEC = SandboxSpec("demo", "example.org", "198.51.100.0/24", (NODE,), owner="demo/region.yml")


def test_create_boots_systemd() -> None:
    container = podman_commands.ContainerSpec(
        name="chautari_demo_bog1",
        image="localhost/chautari-node:12-abc",
        hostname="bog1",
        network="chautari_demo",
        address="198.51.100.10",
        resolver="198.51.100.2",
        limit=16384,
        labels={"b": "2", "a": "1"},
        volumes=("/here:/there:ro",),
    )
    assert podman_commands.create_command(BASE, container) == (
        *BASE, "create", "--systemd=always", "--pull=never", "--name", "chautari_demo_bog1",
        "--hostname", "bog1", "--no-hosts", "--network", "chautari_demo",
        "--ip", "198.51.100.10", "--dns", "198.51.100.2", "--dns-search", ".",
        "--cap-add", "NET_ADMIN,SYS_ADMIN,SYS_PTRACE",
        "--ulimit", "nofile=16384:16384", "--ulimit", "nproc=16384:16384",
        "--label=a=1", "--label=b=2", "--volume=/here:/there:ro",
        "localhost/chautari-node:12-abc", "/sbin/init",
    )  # fmt: skip


def test_network_has_no_name_server_of_podmans() -> None:
    assert podman_commands.create_network_command(BASE, "demo", "198.51.100.0/24") == (
        *BASE, "network", "create", "--disable-dns", "--subnet", "198.51.100.0/24",
        "--label=org.chautari.sandbox=demo", "chautari_demo",
    )  # fmt: skip


def test_unpack_reads_an_archive_from_stdin() -> None:
    sudo = ("sudo", "--non-interactive", "--")
    for before in ((), sudo):
        command = podman_commands.unpack_into_container_command(
            (*before, *BASE), "chautari_demo_bog1", "/state/t"
        )
        assert command == (
            *before, "env", "TMPDIR=/state/t", *BASE, "cp", "-", "chautari_demo_bog1:/",
        )  # fmt: skip


def test_remove_gives_containers_five_seconds() -> None:
    assert podman_commands.remove_command(BASE, ["a", "b"]) == (
        *BASE, "rm", "--force", "--ignore", "--volumes", "--time", "5", "a", "b",
    )  # fmt: skip


def test_containers_are_found_by_label() -> None:
    assert podman_commands.list_containers_command(BASE, "demo") == (
        *BASE, "ps", "--all", "--filter", "label=org.chautari.sandbox=demo", "--format", "json",
    )  # fmt: skip


def test_trial_needs_no_image() -> None:
    assert podman_commands.trial_container_command(BASE, "/tmp/root", 1024) == (
        *BASE, "run", "--rm", "--network", "none",
        "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
        "--volume=/usr:/usr:ro", "--rootfs", "/tmp/root", "/usr/bin/true",
    )  # fmt: skip


def test_names_of_two_sandboxes_never_collide() -> None:
    assert podman_commands.container_name("a-b", "c") != podman_commands.container_name("a", "b-c")


def test_node_resolves_names_in_the_internet_container() -> None:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    assert (made.resolver, made.address) == ("198.51.100.2", "198.51.100.10")


def test_node_digest_depends_on_owner_and_files() -> None:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    other = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"other files")
    assert made.labels[podman_commands.OWNER] == "demo/region.yml"
    assert made.labels[podman_commands.RECIPE] != other.labels[podman_commands.RECIPE]


def found(state: str, **labels: str) -> ExistingContainer:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    return ExistingContainer("0123", made.name, state, {**made.labels, **labels})


def test_unchanged_container_stays() -> None:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    assert found("running").matches_spec(made)
    assert found("exited").matches_spec(made)


def test_container_of_another_owner_is_removed() -> None:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    assert not found("running", **{podman_commands.OWNER: "other/region.yml"}).matches_spec(made)


def test_container_that_was_never_started_is_removed() -> None:
    made = nodes.node_container_spec(SPEC, NODE, "image", 1024, b"files")
    assert not found("created").matches_spec(made)
