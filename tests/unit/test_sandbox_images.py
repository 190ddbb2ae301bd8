"""Recipes of the base images, and the archives that they use."""

from chautari_sandbox import apt_sources, images

TARGETS = """\
http://archive.example.org/debian/|bookworm|main
http://archive.example.org/debian/|bookworm-updates|main
http://archive.example.org/debian-security/|bookworm-security|main
http://archive.example.org/debian/|bookworm-backports|main
http://archive.example.org/debian/|bookworm|contrib
https://other.example.org/apt/|cloud-bookworm|main
https://other.example.org/node|nodistro|main
"""


def test_sources_of_another_release_are_derived() -> None:
    assert apt_sources.sources_list_lines(TARGETS, "13") == (
        "deb http://archive.example.org/debian/ trixie main",
        "deb http://archive.example.org/debian/ trixie-updates main",
        "deb http://archive.example.org/debian-security/ trixie-security main",
    )


def test_sources_are_left_to_mmdebstrap_on_another_host() -> None:
    assert (
        apt_sources.sources_list_lines("http://archive.example.org/ubuntu/|noble|main\n", "12")
        == ()
    )
    assert apt_sources.sources_list_lines("", "12") == ()


def test_sources_leave_out_what_a_node_cannot_read() -> None:
    assert apt_sources.sources_list_lines("file:/srv/debian/|bookworm|main\n", "12") == ()


def test_build_is_one_mmdebstrap_command() -> None:
    recipe = images.ImageRecipe("node", "13", ("dbus", "nftables"), ("deb http://a trixie main",))
    assert images.build_archive_command(recipe, "/cache/node.tar") == (
        "mmdebstrap", "--variant=minbase", "--include=dbus,nftables",
        "--dpkgopt=force-unsafe-io",
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf" "$1/etc/hostname"',
        "--format=tar", "trixie", "/cache/node.tar", "deb http://a trixie main",
    )  # fmt: skip


def test_image_has_no_python() -> None:
    assert not [name for name in images.NODE_PACKAGES if "python" in name]


def test_image_name_follows_the_recipe() -> None:
    made = images.image_recipes(["12", "13", "12"], TARGETS)
    assert sorted(made) == ["12", "13", "internet"]
    assert made["12"].image_name.startswith("localhost/chautari-node:12-")
    assert made["internet"].image_name.startswith("localhost/chautari-internet:12-")
    assert made["12"].image_name != images.image_recipes(["12"], "")["12"].image_name
