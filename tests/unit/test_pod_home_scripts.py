"""The shell that makes and fills homes, run by the shells that images have."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jhkube.pod.home_scripts import FILL, FILLING, MAKE_AS_ROOT, MAKE_AS_USER
from jhkube.pod.parts import script_of

SHELLS = ["dash", "bash", "busybox"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives folders away; the cluster tests do it in a pod")


class Image:
    """An image's shell and folders, and a home."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.shell = [shell, "sh"] if shell == "busybox" else [shell]
        self.home = folder / "home"
        self.skeleton = folder / "skel"
        self.copy = folder / "copy-to-home"
        for each in (self.home, self.skeleton, self.copy):
            each.mkdir()

    def command(self, script: str) -> list[str]:
        # As kubelet does with a container's command, a doubled dollar sign becomes one.
        return [*self.shell, *(part.replace("$$", "$") for part in script_of(script)[1:])]

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(script), env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=240
        )

    def fill(self, *, skeleton: bool = True, pod: str = "jupyter-ada") -> subprocess.CompletedProcess[str]:
        env = {
            "JHKUBE_HOME": self.home,
            "JHKUBE_SKELETON": self.skeleton if skeleton else "",
            "JHKUBE_COPY": self.copy,
        }
        done = self.run(FILL, JHKUBE_POD=pod, **{name: str(value) for name, value in env.items()})
        assert done.returncode == 0, done.stderr
        return done

    def listed(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*")}


@pytest.fixture(params=SHELLS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Image:
    return Image(tmp_path, request.param)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2, follow_symlinks=False)


def test_a_new_home_gets_the_skeleton_as_it_is(image: Image) -> None:
    (image.skeleton / ".bashrc").write_text("alias ll='ls -l'\n")
    (image.skeleton / ".config" / "deep er").mkdir(parents=True)
    (image.skeleton / ".config" / "deep er" / "a 'b' $c").write_text("x")
    (image.skeleton / "..odd").write_text("x")
    script = image.skeleton / "run"
    script.write_text("x")
    script.chmod(0o750)
    (image.skeleton / "link").symlink_to("/nowhere/at/all")
    image.fill()
    assert image.listed() == {
        ".bashrc", ".config", ".config/deep er", ".config/deep er/a 'b' $c", "..odd", "run", "link"
    }  # fmt: skip
    assert (image.home / "run").stat().st_mode & 0o777 == 0o750
    assert (image.home / "link").readlink() == Path("/nowhere/at/all")


def test_a_fresh_volume_is_a_new_home(image: Image) -> None:
    (image.home / "lost+found").mkdir()
    (image.skeleton / ".bashrc").write_text("x")
    image.fill()
    assert ".bashrc" in image.listed()


def test_a_home_in_use_is_left_alone(image: Image) -> None:
    (image.skeleton / ".bashrc").write_text("x")
    (image.home / "work").mkdir()
    image.fill()
    assert image.listed() == {"work"}


def test_an_interrupted_filling_goes_on_and_keeps_what_is_there(image: Image) -> None:
    for name in ("a", "b"):
        (image.skeleton / name).write_text("skeleton")
    (image.home / FILLING).mkdir()
    (image.home / "a").write_text("mine")
    image.fill()
    assert image.listed() == {"a", "b"}
    assert (image.home / "a").read_text() == "mine"


def test_without_a_skeleton_nothing_is_filled(image: Image) -> None:
    (image.skeleton / ".bashrc").write_text("x")
    image.fill(skeleton=False)
    assert image.listed() == set()


def test_a_missing_folder_of_the_image_is_fine(image: Image) -> None:
    image.skeleton.rmdir()
    image.copy.rmdir()
    assert image.fill().stderr == ""
    assert image.listed() == set()


def test_a_copied_file_comes_to_a_home_in_use(image: Image) -> None:
    (image.home / "work").mkdir()
    (image.copy / "tutorial").mkdir()
    (image.copy / "tutorial" / "intro.ipynb").write_text("{}")
    image.fill()
    assert (image.home / "tutorial" / "intro.ipynb").read_text() == "{}"


def test_a_newer_file_is_never_overwritten(image: Image) -> None:
    (image.copy / "intro.ipynb").write_text("image")
    age(image.copy / "intro.ipynb", 1000)
    (image.home / "intro.ipynb").write_text("mine")
    image.fill()
    assert (image.home / "intro.ipynb").read_text() == "mine"


def test_an_older_file_is_brought_up_to_date(image: Image) -> None:
    (image.copy / "intro.ipynb").write_text("image")
    (image.home / "intro.ipynb").write_text("old")
    age(image.home / "intro.ipynb", 1000)
    image.fill()
    assert (image.home / "intro.ipynb").read_text() == "image"


def test_a_file_never_takes_a_folders_place_nor_a_folder_a_files(image: Image) -> None:
    (image.copy / "a").write_text("x")
    (image.home / "a").mkdir()
    (image.copy / "b").mkdir()
    (image.copy / "b" / "c").write_text("x")
    (image.home / "b").write_text("mine")
    image.fill()
    assert (image.home / "a").is_dir()
    assert (image.home / "b").read_text() == "mine"


def test_when_all_is_right_nothing_is_written(image: Image) -> None:
    (image.copy / "intro.ipynb").write_text("x")
    image.fill()
    before = {path: path.stat().st_ctime_ns for path in (image.home, *image.home.rglob("*"))}
    image.fill()
    assert {path: path.stat().st_ctime_ns for path in (image.home, *image.home.rglob("*"))} == before


def unread(folder: Path) -> None:
    os.utime(folder, ns=(0, folder.stat().st_mtime_ns))


def test_a_large_home_is_not_walked(image: Image) -> None:
    work = image.home / "work"
    work.mkdir()
    unread(work)
    list(work.iterdir())
    if work.stat().st_atime_ns == 0:
        pytest.skip("this disk does not note when a folder is read")
    unread(work)
    (image.copy / "intro.ipynb").write_text("x")
    image.fill()
    assert work.stat().st_atime_ns == 0


def test_a_file_that_cannot_be_copied_does_not_stop_the_start(image: Image) -> None:
    (image.copy / "b").write_text("x")
    (image.copy / "a").symlink_to("/nowhere")
    (image.home / ".jhkube-copy-jupyter-ada").mkdir()
    done = image.fill()
    assert "not copied" in done.stderr


def test_two_servers_that_start_together_fill_one_home(image: Image) -> None:
    for number in range(40):
        (image.skeleton / f"file{number}").write_text(str(number) * 1000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: image.fill(pod=f"jupyter-ada--{number}"), range(4)))
    assert image.listed() == {f"file{number}" for number in range(40)}
    assert all((image.home / f"file{n}").read_text() == str(n) * 1000 for n in range(40))


def test_a_users_folder_is_private(image: Image) -> None:
    folder = image.home / "homes" / "ada"
    assert image.run(MAKE_AS_USER, JHKUBE_FOLDER=str(folder)).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert image.run(MAKE_AS_USER, JHKUBE_FOLDER=str(folder)).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o755


def make_as_root(
    image: Image, folder: Path, uid: int = 7001, *, before: str = ""
) -> subprocess.CompletedProcess[str]:
    env = {"JHKUBE_VOLUME": str(image.home), "JHKUBE_FOLDER": str(folder), "JHKUBE_CALLED": folder.name}
    return image.run(before + MAKE_AS_ROOT, **env, JHKUBE_UID=str(uid), JHKUBE_GID=str(uid))


@as_root
def test_root_makes_a_folder_and_gives_it_away(image: Image) -> None:
    folder = image.home / "astro" / "ada"
    assert make_as_root(image, folder).returncode == 0
    made = folder.stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (7001, 7001, 0o700)
    assert (image.home / "astro").stat().st_uid == 0


@as_root
def test_root_goes_on_where_it_was_interrupted(image: Image) -> None:
    folder = image.home / "ada"
    folder.mkdir(0o700)
    assert make_as_root(image, folder).returncode == 0
    assert folder.stat().st_uid == 7001


@as_root
def test_root_leaves_the_mode_that_a_user_chose(image: Image) -> None:
    folder = image.home / "ada"
    make_as_root(image, folder)
    folder.chmod(0o711)
    assert make_as_root(image, folder).returncode == 0
    assert folder.stat().st_mode & 0o777 == 0o711


@as_root
def test_root_does_not_look_inside(image: Image) -> None:
    folder = image.home / "ada"
    make_as_root(image, folder)
    inside = folder / "results"
    inside.mkdir()
    os.chown(inside, 9999, 9999)
    make_as_root(image, folder)
    assert inside.stat().st_uid == 9999


@as_root
def test_another_users_folder_is_not_given_away(image: Image) -> None:
    folder = image.home / "ada"
    make_as_root(image, folder, uid=7002)
    refused = make_as_root(image, folder, uid=7001)
    assert refused.returncode == 1
    assert "The home folder 'ada' belongs to user 7002, not to 7001" in refused.stderr
    assert folder.stat().st_uid == 7002


@as_root
def test_a_link_in_the_folders_place_is_not_followed(image: Image) -> None:
    victim = image.home / "victim"
    victim.mkdir()
    (image.home / "ada").symlink_to(victim)
    refused = make_as_root(image, image.home / "ada")
    assert (refused.returncode, victim.stat().st_uid) == (1, 0)
    assert "symbolic link" in refused.stderr


@as_root
def test_two_servers_that_start_together_make_one_folder(image: Image) -> None:
    for round_ in range(10):
        folder = image.home / f"ada{round_}"
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(make_as_root, [image] * 4, [folder] * 4))
        assert [each.returncode for each in done] == [0] * 4, done
        assert folder.stat().st_uid == 7001


@pytest.fixture
def volume_of_two(image: Image) -> tuple[Path, Path]:
    """Ada's own folder, below which her home is to be, and something of root's that she would like to have."""
    ada, precious = image.home / "ada", image.home / "precious"
    for folder in (ada, precious):
        folder.mkdir(0o755)
    os.chown(ada, 7001, 7001)
    return ada, precious


@as_root
def test_root_follows_no_link_in_a_folder_that_its_person_may_write(
    image: Image, volume_of_two: tuple[Path, Path]
) -> None:
    ada, precious = volume_of_two
    (ada / "work").symlink_to(precious)
    done = make_as_root(image, ada / "work" / "lab")
    assert done.returncode == 1
    assert "is a symbolic link" in done.stderr
    assert list(precious.iterdir()) == []


@as_root
@pytest.mark.parametrize("look", [1, 2])
def test_root_gives_away_nothing_that_is_put_in_the_place_of_the_folder(
    image: Image, volume_of_two: tuple[Path, Path], tmp_path: Path, look: int
) -> None:
    ada, precious = volume_of_two
    # As somebody quick would have it: the folder becomes a link right after root has looked at whose it is.
    quick = f"""\
ls() {{
  command ls "$@"
  echo >>{tmp_path}/looks
  if [ "$(wc -l <{tmp_path}/looks)" -eq {look} ]; then mv {ada}/lab {ada}/gone && ln -s {precious} {ada}/lab; fi
}}
"""
    make_as_root(image, ada / "lab", before=quick)
    assert (ada / "lab").is_symlink()
    found = precious.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, 0, 0o755)


@as_root
def test_root_makes_a_home_in_a_folder_of_its_persons(image: Image, volume_of_two: tuple[Path, Path]) -> None:
    ada, _ = volume_of_two
    assert make_as_root(image, ada / "work" / "a b").returncode == 0
    assert (ada / "work" / "a b").stat().st_uid == 7001
