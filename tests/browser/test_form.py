"""The form in Chromium, in a real hub: light and dark, wide and narrow, with and without JavaScript."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from . import pictures
from .accessibility import fits, violations
from .chromium import launched
from .form_hub import REPOSITORY, FormHub, usual_world

pytestmark = pytest.mark.hub_versions

WIDE, NARROW = (1200, 900), (390, 800)
PASSWORD = "anything"

Open = Callable[..., Awaitable[Page]]

HARMLESS = re.compile(r"status of 400|ERR_NETWORK_CHANGED")
"""What Chromium writes to its console though nothing is wrong with the form: an answer that a test wants, and a
pod of another test that came up beside it."""


@pytest.fixture(scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FormHub]:
    """A hub with the form."""
    folder = tmp_path_factory.mktemp("form-hub")
    running = await asyncio.to_thread(FormHub, folder)
    yield running
    await asyncio.to_thread(running.stop)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await launched(playwright)


@pytest.fixture
async def open_form(hub: FormHub, browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Log somebody in and open the form, in the usual world: `await open_form("ada", scheme="dark")`."""
    hub.set_world(usual_world())
    contexts = []
    complaints: list[str] = []

    async def open_page(
        name: str, *, scheme: Any = "light", size: tuple[int, int] = WIDE, script: bool = True
    ) -> Page:
        context = await browser.new_context(
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=script,
            locale="en-GB",
            timezone_id="UTC",
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        await page.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fspawn")
        await page.fill("#username_input", name)
        await page.fill("#password_input", PASSWORD)
        await page.click("#login_submit")
        await page.wait_for_selector("#jhkube-form")
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert [said for said in complaints if not HARMLESS.search(said)] == []


async def start(page: Page) -> None:
    """Press Start, and wait for the hub's answer."""
    async with page.expect_navigation():
        await page.click("#spawn_form button[type=submit]")


async def started(hub: FormHub, name: str) -> dict[str, Any]:
    """Return the options of the server that somebody has started, and stop it."""
    async with asyncio.timeout(180):
        while not (server := await server_of(hub, name)) or not server["ready"]:
            await asyncio.sleep(0.05)
    options: dict[str, Any] = server["user_options"]
    await stopped(hub, name)
    return options


async def stopped(hub: FormHub, name: str) -> None:
    """Stop somebody's server, and return when the hub has none."""
    await asyncio.to_thread(hub.call, "DELETE", f"/users/{name}/server")
    async with asyncio.timeout(180):
        while await server_of(hub, name):
            await asyncio.sleep(0.05)


async def server_of(hub: FormHub, name: str) -> dict[str, Any] | None:
    """Return what the hub says of somebody's server; None where there is none."""
    _, user = await asyncio.to_thread(hub.call, "GET", f"/users/{name}")
    found: dict[str, Any] | None = user["servers"].get("")
    return found


async def picture(page: Page, name: str) -> None:
    """Take a picture of the whole page; the documentation shows some of them."""
    await pictures.picture(page, f"form-{name}", words="#jhkube-form")


# How it looks.


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "size"), [("wide", WIDE), ("narrow", NARROW)])
async def test_the_form_is_accessible_in_every_look(
    open_form: Open, scheme: str, width: str, size: tuple[int, int]
) -> None:
    page = await open_form("grace", scheme=scheme, size=size)
    await picture(page, f"{scheme}-{width}")
    assert await violations(page) == []
    assert await fits(page)
    await page.fill("#jhkube-search", "week 2026")
    await page.fill("#jhkube-search", "2026 nov")
    await page.keyboard.press("ArrowDown")
    await picture(page, f"{scheme}-{width}-search")
    assert await violations(page) == []
    assert await fits(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_an_error_stands_beside_its_field_and_is_accessible(open_form: Open, scheme: str) -> None:
    page = await open_form("grace", scheme=scheme)
    await page.fill("#jhkube-custom-image", "docker.io/somebody/lab:1")
    await page.check("input[name=size][value=medium]")
    await page.check("input[name=presets][value=scratch]")
    await start(page)
    typed = page.locator("#jhkube-custom-image")
    await expect(typed).to_have_value("docker.io/somebody/lab:1")
    await expect(typed).to_have_accessible_description(
        "The image 'docker.io/somebody/lab:1' is not among those allowed on this hub."
    )
    await expect(typed).to_be_focused()
    await expect(page.locator("input[name=image][value='*custom']")).to_be_checked()
    await expect(page.locator("input[name=size][value=medium]")).to_be_checked()
    await expect(page.locator("input[name=presets][value=scratch]")).to_be_checked()
    await picture(page, f"{scheme}-error")
    assert await violations(page) == []


async def test_an_old_list_and_a_choice_that_is_gone_are_said(open_form: Open, hub: FormHub) -> None:
    page = await open_form("ada")
    await page.fill("#jhkube-search", "w_2026_07")
    await page.keyboard.press("Enter")
    await start(page)
    await started(hub, "ada")
    world = usual_world()
    del world["repositories"][REPOSITORY]["w_2026_07"]
    world |= {"errors": ["The registry registry.example did not answer."], "refreshed_ago": 5000}
    hub.set_world(world)
    await page.goto(f"{hub.url}/hub/spawn")
    await expect(page.locator("#jhkube-image-said")).to_have_text(
        "Your last image, w_2026_07, is not available any more; Recommended is chosen."
    )
    await expect(page.locator("input[name=image]:checked")).to_have_value("recommended")
    await expect(page.locator(".jhkube-freshness")).to_contain_text("did not answer. This list is from ")
    await picture(page, "gone")
    assert await violations(page) == []


async def test_without_any_list_the_form_says_so(open_form: Open, hub: FormHub) -> None:
    page = await open_form("ada")
    hub.set_world({**usual_world(), "repositories": {}, "refreshed_ago": None, "errors": ["No answer."]})
    await page.reload()
    await expect(page.locator("#jhkube-images")).to_contain_text("There is no list of images yet.")
    await start(page)
    await expect(page.locator("#jhkube-image-said")).to_contain_text("Try again in a minute.")
    await picture(page, "no-list")
    assert await violations(page) == []


async def test_html_in_tags_and_labels_is_text(open_form: Open, hub: FormHub) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    world = usual_world()
    world["repositories"][REPOSITORY] |= {f"w_2026_47{evil}": "", f"{evil}": ""}
    world["offers"][0]["kinds"]["other"] = 5
    world["presets"] = [{"name": "evil", "display_name": evil, "description": evil}]
    page = await open_form("ada")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    hub.set_world(world)
    await page.reload()
    await page.fill("#jhkube-search", "onerror")
    await expect(page.locator("#jhkube-results li").first).to_contain_text(evil)
    await expect(page.get_by_label(evil).first).to_be_attached()
    await page.goto(f"{hub.url}/hub/spawn?opt-image=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    assert dialogs == []


# What it does.


async def test_who_presses_start_at_once_gets_the_defaults(open_form: Open, hub: FormHub) -> None:
    page = await open_form("bob")
    await start(page)
    assert await started(hub, "bob") == {"image": "recommended", "size": "small"}


async def test_the_search_finds_a_tag_by_parts_of_its_name_and_by_its_date(open_form: Open, hub: FormHub) -> None:
    page = await open_form("carol")
    search = page.get_by_role("combobox", name="Search all tags")
    await search.fill("2026 30")
    options = page.get_by_role("option")
    await expect(options).to_have_text(["w_2026_3020 Jul 2026", "w_2026_1430 Mar 2026"])
    await expect(page.locator("#jhkube-search-about")).to_have_text("2 tags match.")
    await search.press("ArrowDown")
    await search.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    assert await search.get_attribute("aria-activedescendant") == await options.nth(1).get_attribute("id")
    await search.press("Enter")
    await expect(search).to_have_value("w_2026_14")
    await expect(search).to_have_attribute("aria-expanded", "false")
    await start(page)
    assert (await started(hub, "carol"))["image"] == "w_2026_14"


async def test_the_search_is_of_use_with_the_mouse_and_closes_by_escape(open_form: Open) -> None:
    page = await open_form("carol2")
    search = page.locator("#jhkube-search")
    await search.click()
    await expect(page.get_by_role("option")).to_have_count(50)
    await search.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await search.fill("exp_")
    await page.get_by_role("option", name="exp_w_2026_40_bold").click()
    await expect(search).to_have_value("exp_w_2026_40_bold")
    await expect(page.locator("input[name=image]:checked")).to_have_value("*tag")


async def test_a_tag_that_is_not_there_does_not_leave_the_page(open_form: Open) -> None:
    page = await open_form("carol3")
    await page.fill("#jhkube-search", "w_1999_01")
    await expect(page.locator("#jhkube-search-about")).to_have_text("No tag matches.")
    await page.click("#spawn_form button[type=submit]")
    assert await page.evaluate("document.querySelector('#jhkube-search').validationMessage") != ""
    assert page.url.endswith("/hub/spawn")
    await page.check("input[name=image][value=r27_0_0]")
    await start(page)


async def test_one_of_ten_thousand_tags_is_found(open_form: Open, hub: FormHub) -> None:
    world = usual_world()
    world["repositories"][REPOSITORY] |= {f"exp_w_2026_40_t{number:05}": "" for number in range(10_000)}
    page = await open_form("carol4")
    hub.set_world(world)
    await page.reload()
    await expect(page.locator("#jhkube-search-about")).to_have_text("10,073 tags to search")
    await page.fill("#jhkube-search", "t09")
    await expect(page.locator("#jhkube-search-about")).to_have_text("1,000 tags match, the first 50 are listed.")
    await page.fill("#jhkube-search", "t09999")
    await expect(page.get_by_role("option")).to_have_count(1)


async def test_the_keyboard_alone_is_enough(open_form: Open, hub: FormHub) -> None:
    page = await open_form("dave")
    await page.locator("input[name=image]:checked").focus()
    for _ in range(4):
        await page.keyboard.press("ArrowDown")
    await expect(page.locator("input[name=image]:checked")).to_have_value("r28_0_0_rc1")
    for _ in range(4):
        await page.keyboard.press("ArrowDown")
    # The arrow keys pass over the search without being caught in its field.
    await expect(page.locator("input[name=image][value='*tag']")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    taken = await page.locator("input[name=image]:checked").input_value()
    await page.locator("input[name=size]:checked").focus()
    await page.keyboard.press("ArrowRight")
    await page.locator("input[name=debug]").focus()
    await page.keyboard.press("Space")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    options = await started(hub, "dave")
    assert options == {"image": taken, "size": "medium", "debug": True}


async def test_a_screen_reader_hears_names_and_descriptions(open_form: Open) -> None:
    page = await open_form("erin")
    image = page.get_by_role("radio", name="Release 27.0.0", exact=True)
    await expect(image).to_have_accessible_description(
        re.compile(r"^r27_0_0 built \d+ months ago 2\.9 GB For papers: this image stays$")
    )
    size = page.get_by_role("radio", name="Large", exact=True)
    await expect(size).to_have_accessible_description("4 cores 16 GiB memory")
    for name in ("Image", "Size"):
        await expect(page.get_by_role("radiogroup", name=name)).to_be_visible()
    await expect(page.get_by_role("group", name="Weekly builds")).to_be_visible()


async def test_without_javascript_everything_can_be_chosen(open_form: Open, hub: FormHub) -> None:
    page = await open_form("olga", script=False)
    await picture(page, "without-javascript")
    await page.check("#jhkube-searched")
    await page.fill("#jhkube-search", "w_2026_99")
    await page.check("input[name=size][value=gpu]")
    await page.check("input[name=reset_environment]")
    await start(page)
    await expect(page.locator("#jhkube-image-said")).to_have_text(
        "There is no image 'w_2026_99' to choose. Did you mean 'w_2026_46'?"
    )
    await picture(page, "without-javascript-error")
    await page.fill("#jhkube-search", "w_2026_09")
    await start(page)
    assert await started(hub, "olga") == {
        "image": "w_2026_09",
        "size": "gpu",
        "presets": [],
        "reset_environment": True,
    }


async def test_the_last_choice_is_there_again(open_form: Open, hub: FormHub) -> None:
    page = await open_form("heidi")
    await page.check("input[name=image][value=w_2026_45]")
    await page.check("input[name=size][value=large]")
    await start(page)
    await started(hub, "heidi")
    page = await open_form("heidi")
    await expect(page.locator("input[name=image]:checked")).to_have_value("w_2026_45")
    await expect(page.locator("input[name=size]:checked")).to_have_value("large")


PROFILES = [
    {
        "display_name": "Astronomy 101",
        "description": "The course’s image, with this week’s data",
        "profile_options": {
            "week": {
                "display_name": "Week",
                "choices": {"1": {"display_name": "Week 1"}, "2": {"display_name": "Week 2"}},
                "unlisted_choice": {
                    **{"enabled": True, "display_name": "Another week", "validation_regex": "[0-9]+"},
                    "validation_message": "write a number.",
                },
            }
        },
    },
    {"display_name": "Visualisation"},
]


@pytest.mark.parametrize("script", [True, False])
async def test_static_profiles_stand_beside_the_computed_one(open_form: Open, hub: FormHub, script: bool) -> None:
    page = await open_form("ivan", script=script)
    hub.set_world({**usual_world(), "profiles": PROFILES})
    await page.reload()
    await expect(page.locator("#jhkube-images")).to_be_visible()
    await page.get_by_role("radio", name="Astronomy 101").check()
    await expect(page.locator("#jhkube-images")).to_be_hidden()
    await page.select_option("select", label="Other…")
    await page.get_by_placeholder("Another week").fill("x")
    await picture(page, f"profiles{'' if script else '-without-javascript'}")
    if script:
        assert await violations(page) == []
    await start(page)
    await expect(page.get_by_placeholder("Another week")).to_have_accessible_description("Week: write a number.")
    await page.select_option("select", label="Week 2")
    await start(page)
    assert await started(hub, "ivan") == {"profile": "astronomy-101", "week": "2"}
    await page.goto(f"{hub.url}/hub/spawn")
    await page.get_by_role("radio", name="Lab").check()
    await start(page)
    assert (await started(hub, "ivan"))["profile"] == "lab"


async def test_a_link_starts_what_it_says(open_form: Open, hub: FormHub) -> None:
    page = await open_form("judy")
    await page.goto(f"{hub.url}/hub/spawn?opt-image=w_2026_20&opt-size=small")
    assert await started(hub, "judy") == {"image": "w_2026_20", "size": "small"}
    answer = await page.goto(f"{hub.url}/hub/spawn?opt-image=w_1999_01")
    assert answer is not None
    assert answer.status == 400
    await expect(page.locator("#jhkube-image-said")).to_contain_text("There is no image 'w_1999_01' to choose.")


# The same by REST.


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image": "w_1999_01"}, "There is no image 'w_1999_01' to choose."),
        ({"image": ["w_2026_46"]}, "The option 'image' should be a text, not ['w_2026_46']."),
        ({"image": 1e300}, "The option 'image' should be a text, not 1e+300."),
        ({"image": "x" * 100_000}, "The option 'image' should be at most 512 characters long."),
        ({"size": None, "sizee": "small"}, "There is no option 'sizee'. Did you mean 'size'?"),
        ({"size": {"name": "small"}}, "The option 'size' should be a text"),
        ({"presets": "scratch"}, "The presets should be a list of names, not 'scratch'."),
        ({"debug": "true"}, "The option 'debug' should be true or false, not 'true'."),
        ({"profile": "lab2"}, "There is no profile 'lab2' to choose"),
        ({"image": "docker.io/x/y"}, "There is no image 'docker.io/x/y' to choose."),
    ],
)
async def test_a_wrong_option_by_rest_is_a_400_with_a_sentence(hub: FormHub, options: Any, sentence: str) -> None:
    hub.set_world(usual_world())
    await asyncio.to_thread(hub.call, "POST", "/users/kate")
    status, answer = await asyncio.to_thread(hub.call, "POST", "/users/kate/server", options)
    assert (status, sentence in json.dumps(answer)) == (400, True), answer


async def test_the_same_options_by_rest_start_a_server(hub: FormHub) -> None:
    hub.set_world(usual_world())
    await asyncio.to_thread(hub.call, "POST", "/users/liam")
    options = {"image": "w_2026_12", "size": "large", "presets": [], "debug": True}
    status, answer = await asyncio.to_thread(hub.call, "POST", "/users/liam/server", options)
    assert status in (201, 202), answer
    assert await started(hub, "liam") == options


# Repositories and variables.


@pytest.fixture
def repositories(hub: FormHub, open_form: Open) -> Open:
    """Open the form of a hub whose servers can start from a repository and with variables."""
    variables = ["LABEL", {"name": "SURVEY", "values": ["deep", "wide"], "description": "Which survey to read."}]
    hub.set_world(usual_world() | {"repository_hosts": ["github.com"], "environment_names": variables})
    return open_form


@pytest.mark.parametrize("script", [True, False])
async def test_a_repository_and_variables_are_chosen_in_the_form(
    repositories: Open, hub: FormHub, script: bool
) -> None:
    page = await repositories("ada", script=script, size=NARROW)
    if script:
        assert await violations(page) == []
    await page.get_by_text("Start from a repository").click()
    await page.get_by_label("Address").fill("https://github.com/observatory/notes")
    await page.get_by_label("Branch or tag").fill("main")
    await page.get_by_label("Clone its submodules too").check()
    await page.get_by_label("SURVEY").select_option("deep")
    if script:
        assert await violations(page) == []
        assert await fits(page)
    await start(page)
    options = await started(hub, "ada")
    wanted = {"repository": "https://github.com/observatory/notes", "branch": "main", "submodules": True}
    assert {name: options.get(name) for name in ("repository", "branch", "commit", "submodules", "lfs")} == {
        "commit": None, "lfs": None, **wanted
    }  # fmt: skip
    assert options["environment"] == {"SURVEY": "deep"}
    await page.goto(f"{hub.url}/hub/spawn")
    await expect(page.get_by_label("SURVEY")).to_have_value("deep")
    assert await page.locator("#jhkube-repository-url").input_value() == ""


async def test_a_link_to_a_repository_is_shown_first_and_started_by_the_person(
    repositories: Open, hub: FormHub
) -> None:
    page = await repositories("grace")
    await page.goto(
        f"{hub.url}/hub/spawn?repository=https%3A%2F%2Fgithub.com%2Fobservatory%2Fnotes&branch=main&commit=1f3c9a2b"
    )
    await expect(page.locator("#jhkube-repository-said")).to_contain_text(
        "A link asks for the repository https://github.com/observatory/notes (branch 'main') at the commit 1f3c9a2b, "
        "which is copied into the folder 'notes' of your home."
    )
    await expect(page.get_by_label("Commit")).to_have_value("1f3c9a2b")
    await expect(page.locator("#jhkube-own-image")).to_be_checked()
    assert await violations(page) == []
    await start(page)
    options = await started(hub, "grace")
    assert "image" not in options
    assert options["repository"] == "https://github.com/observatory/notes"


async def test_a_repository_that_is_refused_stays_in_its_field(repositories: Open) -> None:
    page = await repositories("olga")
    await page.get_by_text("Start from a repository").click()
    await page.get_by_label("Address").fill("https://evil.example/a/b")
    await start(page)
    await expect(page.locator("#jhkube-repository-said")).to_contain_text("from no other host")
    await expect(page.get_by_label("Address")).to_have_value("https://evil.example/a/b")
    await expect(page.get_by_label("Address")).to_be_focused()


# Disks of a person's own.

DISKS = ["disk-ada--data", "disk-ada--maps"]


@pytest.mark.parametrize("script", [True, False])
async def test_disks_are_chosen_in_the_form_and_stay_where_they_were(
    open_form: Open, hub: FormHub, script: bool
) -> None:
    hub.set_world(usual_world() | {"disks": DISKS})
    name = "mia" if script else "noel"
    page = await open_form(name, script=script, size=NARROW)
    boxes = page.get_by_role("group", name="Disks").get_by_role("checkbox")
    data, maps = boxes.nth(0), boxes.nth(1)
    await expect(data).to_have_accessible_name("disk-ada--data")
    await expect(data).to_have_accessible_description("It is mounted at /disks/data.")
    await expect(data).not_to_be_checked()
    await data.check()
    if script:
        assert await violations(page) == []
        assert await fits(page)
    await start(page)
    assert (await started(hub, name))["disks"] == ["disk-ada--data:/disks/data"]
    # By REST it can be anywhere, and read-only: the form keeps that, and so does the next start.
    elsewhere = [{"name": "disk-ada--maps", "path": "~/maps", "read_only": True}]
    status, answer = await asyncio.to_thread(hub.call, "POST", f"/users/{name}/server", {"disks": elsewhere})
    assert status in (201, 202), answer
    await started(hub, name)
    await page.goto(f"{hub.url}/hub/spawn")
    await expect(maps).to_be_checked()
    await expect(data).not_to_be_checked()
    await expect(maps).to_have_accessible_description("It is mounted at ~/maps.")
    await start(page)
    assert (await started(hub, name))["disks"] == ["disk-ada--maps:~/maps:ro"]
    # What is unchecked is not mounted again.
    await page.goto(f"{hub.url}/hub/spawn")
    await maps.uncheck()
    await start(page)
    assert (await started(hub, name))["disks"] == []


@pytest.mark.parametrize("script", [True, False])
async def test_a_disk_that_is_gone_is_said_even_if_it_was_the_last(
    open_form: Open, hub: FormHub, script: bool
) -> None:
    hub.set_world(usual_world() | {"disks": DISKS})
    name = "oscar" if script else "peggy"
    page = await open_form(name, script=script)
    disks, said = page.get_by_role("group", name="Disks"), page.locator("#jhkube-disks-said")
    await disks.get_by_label("disk-ada--data").check()
    hub.set_world(usual_world() | {"disks": DISKS[1:]})
    await start(page)
    await expect(said).to_contain_text("You have no disk 'disk-ada--data'.")
    await expect(disks).to_have_accessible_description(re.compile(r"^You have no disk"))
    if script:
        assert await violations(page) == []
    await disks.get_by_label("disk-ada--maps").check()
    await start(page)
    assert (await started(hub, name))["disks"] == ["disk-ada--maps:/disks/maps"]
    hub.set_world(usual_world() | {"disks": []})
    await page.goto(f"{hub.url}/hub/spawn")
    await expect(said).to_have_text("Some of what you chose last time is not available any more.")
    await expect(disks.get_by_role("checkbox")).to_have_count(0)
    await start(page)
    assert (await started(hub, name))["disks"] == []
