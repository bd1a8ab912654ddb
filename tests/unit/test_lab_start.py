"""The lab image's start, as far as it runs without a container: a shell script, and what the server imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.images import ROOT

LAB = ROOT / "images" / "lab"


class Start:
    """A home, and the script in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.drop_ins = folder / "drop-ins"
        self.copied = folder / "copied"
        self.tmp = folder / "tmp"
        for each in (self.home, self.drop_ins, self.copied, self.tmp):
            each.mkdir()

    def __call__(self, script: str = "pwd", **environ: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "LAB_START_D": str(self.drop_ins),
            "LAB_COPY_TO_HOME": str(self.copied),
            **environ,
        }
        return subprocess.run(
            ["sh", LAB / "lab-start", "sh", "-c", script],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )

    def drop_in(self, name: str, text: str, mode: int = 0o755) -> None:
        path = self.drop_ins / name
        path.write_text(text)
        path.chmod(mode)


@pytest.fixture
def start(tmp_path):
    return Start(tmp_path)


def test_the_lab_starts_in_the_home_that_it_is_given_and_leaves_nothing_there(start):
    done = start("pwd; echo $HOME; echo ${LAB_NOTICE-none}; echo $LAB_NAME")
    assert done.stdout == f"{start.home}\n{start.home}\nnone\nlab\n"
    assert done.stderr == ""
    assert list(start.home.iterdir()) == list(start.tmp.iterdir()) == []


def test_what_is_run_takes_the_place_of_the_script(start):
    process = subprocess.Popen(
        ["sh", LAB / "lab-start", "sh", "-c", "echo $$"],
        env={"PATH": os.environ["PATH"], "HOME": str(start.home)},
        stdout=subprocess.PIPE,
    )
    assert process.communicate(timeout=240)[0].decode() == f"{process.pid}\n"


def test_without_a_home_the_lab_starts_in_a_folder_that_can_be_written_to_and_says_so(start):
    missing = start.home / "missing"
    done = start('touch "$HOME/file" && pwd; echo $HOME; echo $LAB_NOTICE', HOME=str(missing))
    folder, home, notice = done.stdout.splitlines()
    assert folder == home
    assert Path(home).parent == start.tmp
    assert notice.startswith(f"Your home {missing} is not there.")
    assert done.stderr == f"lab-start: {notice}\n"


def test_a_reset_moves_packages_and_settings_aside_and_the_rest_stays(start):
    (start.home / ".local" / "lib").mkdir(parents=True)
    (start.home / ".local" / "lib" / "package").write_text("broken")
    (start.home / ".jupyter").symlink_to("elsewhere")
    (start.home / "notes").write_text("mine")
    fresh = {
        "PYTHONUSERBASE": "/tmp/jhkube-fresh/python",
        "JUPYTER_CONFIG_DIR": "/tmp/jhkube-fresh/jupyter/config",
        "IPYTHONDIR": "/mine",
    }
    done = start(
        "echo ${PYTHONUSERBASE-unset} ${JUPYTER_CONFIG_DIR-unset} $IPYTHONDIR",
        JHKUBE_RESET_ENVIRONMENT="true",
        **fresh,
    )
    assert done.stdout == "unset unset /mine\n"
    (aside,) = (start.home / ".set-aside").iterdir()
    assert {path.name for path in start.home.iterdir()} == {"notes", ".set-aside"}
    assert {path.name for path in aside.iterdir()} == {".local", ".jupyter"}
    assert (aside / ".local" / "lib" / "package").read_text() == "broken"
    assert f"were moved to {aside}; nothing was deleted." in done.stderr


def test_two_resets_have_a_folder_each(start):
    for text in "one", "two":
        (start.home / ".cache").mkdir()
        (start.home / ".cache" / "what").write_text(text)
        start(JHKUBE_RESET_ENVIRONMENT="true")
    assert sorted(path.read_text() for path in start.home.glob(".set-aside/*/.cache/what")) == ["one", "two"]


def test_what_a_reset_cannot_move_is_passed_over_for_this_start(start):
    (start.home / ".set-aside").write_text("in the way")
    (start.home / ".local").mkdir()
    done = start("echo $PYTHONUSERBASE", JHKUBE_RESET_ENVIRONMENT="true", PYTHONUSERBASE="/tmp/jhkube-fresh/python")
    assert done.stdout == "/tmp/jhkube-fresh/python\n"
    assert "passed over for this start only: .local." in done.stderr
    assert (start.home / ".local").is_dir()


def test_nothing_is_reset_unasked(start):
    (start.home / ".local").mkdir()
    start()
    assert (start.home / ".local").is_dir()


def test_files_come_to_the_home_and_newer_ones_stay(start):
    (start.copied / ".config").mkdir()
    (start.copied / ".config" / "site").write_text("image")
    (start.copied / "welcome").write_text("image")
    (start.copied / "older").write_text("image")
    (start.home / ".config").mkdir(mode=0o700)
    (start.home / "welcome").write_text("mine")
    os.utime(start.copied / "welcome", (1, 1))
    (start.home / "older").write_text("mine")
    os.utime(start.home / "older", (1, 1))
    mode = start.home.stat().st_mode
    done = start()
    assert (start.home / ".config" / "site").read_text() == "image"
    assert (start.home / "welcome").read_text() == "mine"
    assert (start.home / "older").read_text() == "image"
    assert start.home.stat().st_mode == mode
    assert (start.home / ".config").stat().st_mode & 0o777 == 0o700
    assert done.stderr == ""


def test_drop_ins_run_in_order_and_may_set_variables(start):
    start.drop_in("20-second", '#!/bin/sh\necho "PLACE=$PLACE and two" > "$LAB_ENV"\n')
    start.drop_in("10-first.sh", 'echo "PLACE=one = a b" > "$LAB_ENV"; echo said by the first\n', mode=0o644)
    done = start("echo $PLACE; echo ${LAB_ENV-unset}; pwd")
    assert done.stdout == f"one = a b and two\nunset\n{start.home}\n"
    assert done.stderr == "said by the first\n"


def test_a_drop_in_that_fails_hangs_or_says_nonsense_is_named_and_the_lab_starts(start):
    start.drop_in("10-fails.sh", "exit 3")
    start.drop_in("20-hangs.sh", "sleep 600")
    start.drop_in("30-nonsense.sh", 'echo "rm -r ~" > "$LAB_ENV"')
    start.drop_in("40-shells.sh", 'echo OPTIND=none > "$LAB_ENV"')
    start.drop_in("50-works.sh", 'echo WORKS=yes > "$LAB_ENV"')
    done = start("echo $WORKS", LAB_START_TIMEOUT="5")
    assert done.stdout == "yes\n"
    assert "10-fails.sh failed (status 3); going on without it" in done.stderr
    assert "20-hangs.sh failed" in done.stderr
    assert "30-nonsense.sh: this is no NAME=value: rm -r ~" in done.stderr
    assert "40-shells.sh: the shell does not take this: OPTIND=none" in done.stderr


def test_a_drop_in_whose_variables_have_no_place_runs_and_the_lab_starts(start):
    start.drop_in("10-takes-it-away.sh", 'rm "$LAB_ENV"; mkdir "$LAB_ENV"')
    start.drop_in("20-after.sh", "echo ran")
    done = start("echo here")
    assert done.stdout == "here\n"
    assert "ran\n" in done.stderr


def test_the_terminal_has_the_image_and_the_folder_in_title_and_prompt(tmp_path):
    script = f'PS1=x; . {LAB / "profile.sh"}; mkdir -p sub; cd sub; eval "$PROMPT_COMMAND"; echo; echo "$PS1"'
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LAB_NAME": "w_2026_46", "LAB_NOTICE": "It is full."}
    done = subprocess.run(
        ["bash", "-c", script], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    notice, _, rest = done.stdout.partition("\n\n")
    title, prompt = rest.splitlines()
    assert "It is full." in notice
    assert title == "\x1b]0;w_2026_46: ~/sub\x07"
    assert prompt == r"\u@w_2026_46:\w\$ "


def python(script: str) -> str:
    environ = {"PYTHONPATH": str(LAB / "python"), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    ).stdout


def test_a_module_that_is_put_off_is_imported_when_a_function_is_called():
    assert (
        python(
            "import sys; from lab_later import put_off; put_off('colorsys'); put_off('not_there')\n"
            "from colorsys import rgb_to_hsv\n"
            "print(hasattr(sys.modules['colorsys'], '__file__'), 'not_there' in sys.modules)\n"
            "print(rgb_to_hsv(0, 0, 1)[2], hasattr(sys.modules['colorsys'], '__file__'))\n"
        )
        == "False False\n1 True\n"
    )


def test_the_notice_is_on_the_page_as_text():
    shown = python(
        "import os; os.environ['LAB_NOTICE'] = 'Home <b>full</b> {{ 7 * 7 }} {% x %}'\n"
        "from types import SimpleNamespace as Namespace; import jinja2, lab_notice\n"
        "pages = jinja2.DictLoader({'index.html': '<body>{{ lab }}</body>', 'other.html': '<body></body>'})\n"
        "environment = jinja2.Environment(loader=pages)\n"
        "server = Namespace(web_app=Namespace(settings={'lab_jinja2_env': environment}))\n"
        "lab_notice._load_jupyter_server_extension(server)\n"
        "print(environment.get_template('index.html').render(lab='<lab>'))\n"
        "print(environment.get_template('other.html').render())\n"
    )
    page, other = shown.rsplit("\n", 2)[:2]
    assert "<body><lab>\n<dialog" in page
    assert "Home &lt;b&gt;full&lt;/b&gt; {{ 7 * 7 }} {% x %}" in page.replace("&#123;", "{")
    assert page.endswith("</body>")
    assert other == "<body></body>"
