"""Git in the pod, asked of git itself: what it reads, and to whom it gives the token."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jhkube.identity import UserIdentity
from jhkube.operator_models import ConfigError
from jhkube.pod.git import GitHost, GitSettings, git_files, git_parts, gitconfig, parse_git_hosts
from jhkube.pod.secret import SECRET_PATH

ADA = UserIdentity(name="ada", uid=7001, gid=7001, subject="github:1", full_name="Ada L", email="ada@example.org")

SHELLS = ["dash", "bash", "busybox"]


class Git:
    """Git as in a pod: the system-scope file, a home, and nothing of this machine's own configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_SYSTEM": str(folder / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
        }

    def mount(self, settings: GitSettings, identity: UserIdentity = ADA, **tokens: str) -> Git:
        """Write the Secret's files, as kubelet would."""
        by_host = {host.host: token for host in settings.hosts for token in tokens.values()}
        for name, text in git_files(settings, identity, by_host).contents.items():
            (self.folder / name).write_text(text.replace(SECRET_PATH, str(self.folder)))
        return self

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], env=self.env, cwd=self.home, input=text, capture_output=True, text=True, timeout=120
        )

    def config(self, key: str) -> str:
        return self.run("config", "--get", key).stdout.removesuffix("\n")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path)


class Server:
    """An HTTP server that wants a password, or sends elsewhere, and remembers what it was given."""

    def __init__(self, redirect_to: str = "") -> None:
        self.given: list[str] = []
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                authorization = self.headers.get("Authorization", "")
                given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
                if given.endswith(":"):  # curl tries a name from the URL without a password first
                    given = ""
                if given:
                    server.given.append(given)
                if redirect_to:
                    self.send_response(302)
                    self.send_header("Location", redirect_to + self.path)
                elif given:
                    self.send_response(404)
                else:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def ours() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def http_host(server: Server) -> GitSettings:
    return GitSettings((GitHost(host=server.host, scheme="http"),))


def test_the_name_and_the_address_are_the_users(git: Git) -> None:
    git.mount(GitSettings())
    assert (git.config("user.name"), git.config("user.email")) == ("Ada L", "ada@example.org")


def test_the_users_own_settings_win(git: Git) -> None:
    git.mount(GitSettings())
    (git.home / ".gitconfig").write_text("[user]\n\tname = Countess\n")
    assert git.config("user.name") == "Countess"


@pytest.mark.parametrize(
    "name",
    [
        'Ada "the first" L',
        "back\\slash\\",
        "semi; colon # and hash",
        "  ' or 1=1 --",
        "Ægir Ólafsson 数学",
        "[core] pager = x",
        "$(id) `id` $HOME",
    ],
)
def test_a_name_means_itself_to_git(git: Git, name: str) -> None:
    git.mount(GitSettings(), UserIdentity("ada", 7001, 7001, "github:1", name, "a@example.org"))
    assert git.config("user.name") == name.strip()


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=40), email=st.text(max_size=40))
def test_no_name_can_add_a_setting(tmp_path_factory: pytest.TempPathFactory, name: str, email: str) -> None:
    text = gitconfig(GitSettings(), UserIdentity("ada", 7001, 7001, "x:1", name, email))
    file = tmp_path_factory.mktemp("git") / "config"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    listed = subprocess.run(["git", "config", "-f", file, "-z", "--list", "--name-only"], capture_output=True)
    assert listed.returncode == 0
    assert set(listed.stdout.decode().strip("\0").split("\0")) <= {
        "include.path",
        "user.name",
        "user.email",
        "user.useconfigonly",
    }


def test_a_newline_in_a_name_is_a_space(git: Git) -> None:
    git.mount(GitSettings(), UserIdentity("ada", 7001, 7001, "x:1", "Ada\n[core]\n\tpager = id", "a@example.org"))
    assert git.config("user.name") == "Ada [core] pager = id"
    assert git.config("core.pager") == ""


@pytest.mark.parametrize("name", ["ada", "ada\tl", "ada\nl"])
def test_without_a_name_it_is_the_login(git: Git, name: str) -> None:
    git.mount(GitSettings(), UserIdentity(name, 7001, 7001, "x:1", email="a@example.org"))
    assert git.config("user.name") == name


def test_without_an_address_git_asks_and_makes_none_up(git: Git) -> None:
    git.mount(GitSettings(), UserIdentity("ada", 7001, 7001, "x:1", "Ada"))
    git.run("init", "-q", ".")
    commit = git.run("commit", "--allow-empty", "-m", "x")
    assert commit.returncode != 0
    assert "Please tell me who you are" in commit.stderr + commit.stdout or "no email was given" in commit.stderr


def test_the_images_own_system_settings_stay(git: Git) -> None:
    image = git.folder / "image-gitconfig"
    image.write_text("[core]\n\tautocrlf = input\n[user]\n\tname = image\n")
    git.mount(GitSettings())
    file = git.folder / "gitconfig"
    file.write_text(file.read_text().replace("/etc/gitconfig", str(image)))
    assert (git.config("core.autocrlf"), git.config("user.name")) == ("input", "Ada L")


def test_mounted_over_etc_gitconfig_it_does_not_include_itself() -> None:
    settings = GitSettings(replace_etc_gitconfig=True)
    assert "include" not in gitconfig(settings, ADA)
    (mount,) = git_parts(settings).volume_mounts
    assert (mount.mount_path, mount.sub_path) == ("/etc/gitconfig", "gitconfig")
    assert git_parts(settings).env == {}


def test_the_token_is_given_to_its_host(git: Git, ours: Server) -> None:
    git.mount(http_host(ours), token="gho_1")
    git.run("ls-remote", f"{ours.url}/org/repo")
    assert ours.given == ["ada:gho_1"]


def test_the_token_is_in_no_configuration_and_no_environment(git: Git, ours: Server) -> None:
    git.mount(http_host(ours), token="gho_1")
    assert "gho_1" not in git.run("config", "--list").stdout
    assert "gho_1" not in (git.folder / "gitconfig").read_text()


def test_the_token_is_not_given_to_another_host(git: Git, ours: Server, other: Server) -> None:
    git.mount(http_host(ours), token="gho_1")
    git.run("ls-remote", f"{other.url}/org/repo")
    assert other.asked
    assert other.given == []


def test_the_token_does_not_follow_a_redirect(git: Git, other: Server) -> None:
    here = Server(redirect_to=other.url)
    try:
        git.mount(http_host(here), token="gho_1")
        git.run("ls-remote", f"{here.url}/org/repo")
        git.run("-c", "http.followRedirects=true", "ls-remote", f"{here.url}/org/repo")
        assert other.asked
        assert other.given == []
    finally:
        here.close()


def test_each_host_gets_its_own_token(git: Git, ours: Server, other: Server) -> None:
    both = GitSettings(
        (GitHost(host=ours.host, scheme="http"), GitHost(host=other.host, scheme="http", username="oauth2"))
    )
    for name, text in git_files(both, ADA, {ours.host: "one", other.host: "two"}).contents.items():
        (git.folder / name).write_text(text.replace(SECRET_PATH, str(git.folder)))
    git.run("ls-remote", f"{ours.url}/a")
    git.run("ls-remote", f"{other.url}/a")
    assert (ours.given, other.given) == (["ada:one"], ["oauth2:two"])


def test_a_new_token_is_used_by_the_next_command(git: Git, ours: Server) -> None:
    git.mount(http_host(ours), token="old")
    git.run("ls-remote", f"{ours.url}/a")
    git.mount(http_host(ours), token="new")
    git.run("ls-remote", f"{ours.url}/a")
    assert ours.given == ["ada:old", "ada:new"]


def test_without_a_token_git_is_told_nothing(git: Git, ours: Server) -> None:
    git.mount(http_host(ours))
    assert git.run("ls-remote", f"{ours.url}/a").returncode != 0
    assert ours.given == []


def test_for_another_users_name_the_users_own_helper_is_asked(git: Git, ours: Server) -> None:
    git.mount(http_host(ours), token="gho_1")
    (git.home / ".gitconfig").write_text('[credential]\n\thelper = "!f() { echo password=own; }; f"\n')
    git.run("ls-remote", f"http://bot@{ours.host}/a")
    assert ours.given == ["bot:own"]


def helper(tmp_path: Path, shell: str, action: str, request: str, *, username: str = "ada") -> str:
    settings = GitSettings((GitHost(host="github.com", username=username),))
    (tmp_path / "token-github.com").write_text("gho_1")
    text = gitconfig(settings, ADA).replace(SECRET_PATH, str(tmp_path))
    (tmp_path / "gitconfig").write_text(text)
    command = subprocess.run(
        ["git", "config", "-f", tmp_path / "gitconfig", "credential.https://github.com.helper"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    arguments = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*arguments, "-c", f"{command.strip()[1:]} {action}"], input=request, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


GIVEN = "username=ada\npassword=gho_1\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("action", "request_lines", "answer"),
    [
        ("get", ["protocol=https", "host=github.com"], GIVEN),
        ("get", ["protocol=https", "host=github.com", "path=org/repo", "username=ada"], GIVEN),
        ("get", ["capability[]=authtype", "protocol=https", "host=github.com", "wwwauth[]=Basic"], GIVEN),
        ("store", ["protocol=https", "host=github.com"], ""),
        ("erase", ["protocol=https", "host=github.com"], ""),
        ("get", ["protocol=http", "host=github.com"], ""),
        ("get", ["protocol=https", "host=github.com.evil.example"], ""),
        ("get", ["protocol=https", "host=github.com\r"], ""),
        ("get", ["protocol=https", "host=evil.example", "host=github.com"], ""),
        ("get", ["protocol=https", "host=github.com", "host=evil.example"], ""),
        ("get", ["protocol=https"], ""),
        ("get", ["host=github.com"], ""),
        ("get", ["protocol=https", "host="], ""),
        ("get", ["protocol=https", "host=github.com", "username=bot"], ""),
        ("get", [], ""),
    ],
)
def test_the_helper_answers_only_what_is_its_own(
    tmp_path: Path, shell: str, action: str, request_lines: list[str], answer: str
) -> None:
    assert helper(tmp_path, shell, action, "".join(f"{line}\n" for line in request_lines) + "\n") == answer


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("username", ["it's", "a b", "$(id)", "x*", '"; exit 1; "', "back\\slash", "%s"])
def test_a_user_name_means_itself_to_the_helper(tmp_path: Path, shell: str, username: str) -> None:
    asked = f"protocol=https\nhost=github.com\nusername={username}\n\n"
    assert helper(tmp_path, shell, "get", asked, username=username) == f"username={username}\npassword=gho_1\n"


@pytest.mark.parametrize("token", ["a\nhost=evil", "a b", "", "tök", "a\0", "a\r"])
def test_a_token_that_could_break_the_protocol_is_refused_unseen(token: str) -> None:
    settings = GitSettings((GitHost(host="github.com"),))
    if not token:
        assert git_files(settings, ADA, {"github.com": token}).contents["token-github.com"] == ""
        return
    with pytest.raises(ValueError, match=r"the token for github\.com") as refused:
        git_files(settings, ADA, {"github.com": token})
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("github.com", "git_hosts: should be a list of dicts, not a text"),
        ([{"scheme": "https"}], "git_hosts[0].host: should be a lower-case name"),
        ([{"host": "github.com", "token": "x"}], "git_hosts[0]: there is no field 'token'"),
        (["a.org", "https://github.com/org"], "git_hosts[1].host: should be a lower-case name"),
        (["https://ada:x@github.com"], "git_hosts[0].host: should be a lower-case name"),
        (["ssh://github.com"], "git_hosts[0].scheme: should be https or http, not 'ssh'"),
        (["github.com", "http://github.com"], "git_hosts[1].host: 'github.com' is there twice"),
        (["GitHub.com"], "git_hosts[0].host: should be a lower-case name"),
        (['github.com"]\n[core]'], "git_hosts[0].host: should be a lower-case name"),
        (["github.com:0x1"], "git_hosts[0].host: should be a lower-case name"),
        ([{"host": "github.com", "scheme": "ssh"}], "git_hosts[0].scheme: should be https or http"),
        ([{"host": "github.com", "username": "a\nb"}], "git_hosts[0].username: should be a text without control"),
        ([{"host": "github.com", "username": "a\x7f"}], "git_hosts[0].username: should be a text without control"),
        (["github.com", {"host": "github.com", "username": "x"}], "git_hosts[1].host: 'github.com' is there twice"),
    ],
)
def test_a_wrong_list_of_hosts_says_what_is_wrong(config: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_git_hosts(config)
    assert str(refused.value).startswith(message)
    assert "ada:x" not in str(refused.value), "a URL may have a password in it"


def test_a_host_may_be_written_as_a_url() -> None:
    hosts = parse_git_hosts(["https://github.com/", "http://10.0.0.1:3000", "git.example.org"])
    assert [host.url for host in hosts] == ["https://github.com", "http://10.0.0.1:3000", "https://git.example.org"]


def test_files_with_a_token_are_private_and_named_by_their_host() -> None:
    settings = GitSettings(parse_git_hosts(["github.com", "git.example.org:3000"]))
    files = git_files(settings, ADA, {"github.com": "gho_1", "unknown.example": "gho_2"})
    assert files.private == {"token-github.com", "token-git.example.org_3000"}
    assert "gho_2" not in "".join(files.contents.values())
    assert "gho_1" not in repr(files)
