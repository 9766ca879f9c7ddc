import os
import sys
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async.stores._sqlite import places
from okx_async.stores._sqlite.places import (
    absolute,
    check_makeable,
    check_place,
    darwin_kind,
    default_path,
    file_system,
    identity,
    linux_kind,
    prepare,
)

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:30 / /share rw,relatime - nfs4 server:/x rw
31 27 0:31 / /mnt/my\\040disk rw - xfs /dev/sdb rw
32 27 0:32 / /data rw - ext4 /dev/sdc rw
33 27 0:33 / /data rw - fuse.sshfs host: rw
"""


def refused(path: Path, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        check_place(path)


def test_a_file_of_this_user_alone_is_right(tmp_path: Path) -> None:
    path = tmp_path / "state" / "limits.sqlite3"
    check_place(path)
    prepare(path)
    prepare(path)
    check_place(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_users_own_file_is_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "okx-async" / "limits.sqlite3"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert default_path() == tmp_path / "me" / ".local" / "state" / "okx-async" / "limits.sqlite3"


@pytest.mark.parametrize("spelled", ["/{}", "{}/x/..", "{}/.", "{}//"])
def test_the_users_own_file_is_the_same_one_however_its_folder_is_spelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spelled: str
) -> None:
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
        plain = default_path()
        monkeypatch.setenv(name, spelled.format(tmp_path))
        assert str(default_path()) == str(plain)
        monkeypatch.delenv(name)


@pytest.mark.parametrize("home", ["", ".", "me"])
def test_a_home_that_depends_on_where_a_program_is_started_is_refused(
    monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    with pytest.raises(InvalidRequestError, match=f"HOME is '{home}', no absolute path; set it, or name a whole path"):
        default_path()


def test_a_relative_path_without_a_working_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    with pytest.raises(InvalidRequestError, match="'limits' is relative, and the working directory cannot be told"):
        absolute("limits")
    assert absolute("/limits") == Path("/limits")


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    refused(tmp_path / "link", "is a symbolic link")


def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    prepare(path)
    path.with_name("other").hardlink_to(path)
    refused(path, "has other names")
    path.with_name("other").unlink()
    check_place(path)


def test_a_file_that_is_a_mount_of_its_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's with `-v limits.sqlite3:/limits.sqlite3`: what SQLite keeps beside it would be another's."""
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(places, "MOUNTS", mounts)
    monkeypatch.setattr("sys.platform", "linux")
    path = tmp_path / "limits"
    prepare(path)
    mounts.write_text(f"30 1 0:30 / / rw - ext4 /dev/x rw\n31 30 0:30 /x {path} rw - ext4 /dev/x rw\n")
    refused(path, "is a mount of its own.* mount its folder")
    mounts.write_text(f"30 1 0:30 / / rw - ext4 /dev/x rw\n31 30 0:30 /x {tmp_path} rw - ext4 /dev/x rw\n")
    check_place(path)


def test_what_a_deleted_file_left_is_not_for_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    beside = [tmp_path / "limits-wal", tmp_path / "limits-shm"]
    for each in [path, *beside]:
        each.touch(0o600)
    prepare(path)
    assert all(each.exists() for each in beside)
    (tmp_path / "limits-wal").unlink()
    prepare(path)
    assert [each.name for each in tmp_path.iterdir()] == ["limits"]
    for each in beside:
        each.touch(0o600)
    path.unlink()
    prepare(path)
    assert [each.name for each in tmp_path.iterdir()] == ["limits"]


def test_a_file_is_the_same_while_its_memory_is(tmp_path: Path) -> None:
    file, memory = tmp_path / "limits", tmp_path / "limits-shm"
    names = str(file), str(memory)
    file.touch()
    assert not identity(*names)
    memory.touch()
    first = identity(*names)
    assert first == identity(*names) != []
    (tmp_path / "new").touch()
    (tmp_path / "new").rename(memory)
    assert identity(*names) not in ([], first)


def test_a_file_can_be_made_where_its_nearest_folder_may_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_makeable(tmp_path / "new" / "folder" / "limits")
    asked: list[Path] = []
    monkeypatch.setattr(os, "access", lambda folder, _: asked.append(folder))
    with pytest.raises(InvalidRequestError, match="cannot be made: this user may not write to"):
        check_makeable(tmp_path / "new" / "folder" / "limits")
    assert asked == [tmp_path]


@pytest.mark.parametrize(("name", "path"), [("//a/b", "/a/b"), ("///a/../b", "/b"), ("/a/b", "/a/b")])
def test_a_path_begins_with_one_slash(name: str, path: str) -> None:
    assert str(absolute(name)) == path


def test_what_others_may_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    path.touch(0o644)
    refused(path, "other users may use .*: chmod 600 it")
    path.chmod(0o600)
    tmp_path.chmod(0o777)
    refused(path, "other users may write to .*: chmod go-w it, or name a directory of your own")
    tmp_path.chmod(0o1777)  # as /tmp is, which stays so
    refused(path, "other users may write to [^:]*: name a directory of your own")


def test_what_belongs_to_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "limits"
    path.touch(0o600)
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    if uid:  # a folder of root is everybody's
        refused(path, rf"belongs to another user \(uid {uid}\)")
    else:
        refused(path, r"limits belongs to another user \(uid 0\)")


def test_what_is_no_file_or_in_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "is no regular file")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "limits", "file is no directory")
    refused(tmp_path / "file" / "folder" / "limits", "file is no directory")
    refused(Path("limits"), "needs an absolute path")


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/x", "ext4"),
        ("/share", "nfs4"),
        ("/share/x", "nfs4"),
        ("/shared", "ext4"),
        ("/mnt/my disk/x", "xfs"),
        ("/data/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_tells_the_file_system(place: str, kind: str) -> None:
    assert linux_kind(MOUNTS, place) == kind


def test_a_mount_of_macos_must_be_local() -> None:
    mounts = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)\n"
        "//me@nas/x on /Volumes/my x (smbfs, nodev, nosuid, mounted by me)\n"
    )
    assert darwin_kind(mounts, "/System/Volumes/Data/Users") == "apfs"
    assert darwin_kind(mounts, "/Volumes/my x/f") == "smbfs, not local"


def test_a_file_system_that_may_not_be_local_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(places, "MOUNTS", mounts)
    mounts.write_text(f"30 1 0:30 / / rw - nfs4 server:/ rw\n31 27 0:31 / {tmp_path / 'local'} rw - ext4 /dev/x rw\n")
    (tmp_path / "local").mkdir(mode=0o700)
    check_place(tmp_path / "local" / "limits")
    refused(tmp_path / "limits", r"its file system \(nfs4\) is not known to be local")
    # Other mounts may have names of any bytes; the kernel divides lines by one of them only.
    mounts.write_bytes(
        b"30 1 0:30 / / rw - nfs4 server:/ rw\n32 27 0:32 / /m\xff rw - ext4 /dev/x rw\n"
        b"33 27 0:33 / /a\xe2\x80\xa8b\x0cc rw - ext4 /dev/x rw\n31 27 0:31 / "
        + os.fsencode(tmp_path / "local")
        + b" rw - ext4 /dev/x rw\n"
    )
    check_place(tmp_path / "local" / "limits")
    assert file_system(Path(os.fsdecode(b"/m\xff/x"))) == file_system(Path("/a\u2028b\x0cc/x")) == "ext4"
    mounts.unlink()
    refused(tmp_path / "limits", r"\(unknown, .*No such file.*\) is not known to be local")


def test_this_machines_own_files_have_a_file_system(tmp_path: Path) -> None:
    assert file_system(tmp_path) in places.LOCAL


def test_folders_above_are_made_so_that_others_move_nothing_in_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        prepare(tmp_path / "a" / "b" / "c" / "limits")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/c")] == [0o755, 0o755, 0o700]


def test_a_path_that_sqlite_does_not_take_is_refused(tmp_path: Path) -> None:
    room = places.LONGEST - len(os.fsencode(tmp_path))
    right = tmp_path / "/".join(["é" * 20] * 12)[: room // 2 - 20]
    check_place(right)
    refused(tmp_path / ("é" * 100) / ("é" * 100) / ("é" * 100), "too long, SQLite takes 500 bytes at most")


def test_a_python_without_sqlite_or_with_an_old_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.sqlite_version_info", (3, 7, 17))
        refused(tmp_path / "limits", r"SQLite 3\.24\.0 is needed, this Python has 3\.")
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    refused(tmp_path / "limits", "built without SQLite")
