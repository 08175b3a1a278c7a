"""The Runs screen by keys alone, on stores of every kind, and its pictures."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from scenarios.runner import Run
from scenarios.scenario import load
from scenarios.store.history import History
from scenarios.store.recording import Recording
from scenarios.store.store import Store
from tests.app.support import LabApp, ScriptedWorker, finished, until, worked
from tests.app.test_keys import text, type_at_once
from tests.app.test_snapshots import Compare, both_sizes, same_picture
from tui.lab.compare import CompareView
from tui.lab.session import State
from tui.runs.columns import COLUMNS
from tui.runs.listing import PAGE, Listing
from tui.runs.screen import RunsScreen
from tui.runs.table import RunsTable
from tui.terminal import Colours

__all__ = ["same_picture"]

#: What the store of most tests holds, oldest first.
STORED = ("chain-sigmoid", "rnn-tanh", "rnn-relu-above", "mlp-dead", "indrnn-deep")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield tmp_path / "runs.sqlite"
    monkeypatch.undo()
    time.tzset()


def store_runs(
    path: Path, *names: str, warn: Callable[[str], None] = print, **changes: object
) -> None:
    with Store.open(path) as store:
        for name in names:
            steps = min(load(name).training.steps, 2)
            run = Run(load(name, {"run.device": "cpu", "training.steps": steps, **changes}))
            recording = Recording(store, run, warn)
            for frame in run.frames():
                recording.frame(frame)
            recording.end(frame, "done")


@pytest.fixture
def stored(path: Path) -> Path:
    store_runs(path, *STORED)
    with closing(sqlite3.connect(path)) as db:
        # The same picture whenever and however fast they ran.
        db.execute("UPDATE runs SET began = '2026-11-2' || id || 'T08:30:00Z', seconds = id")
        db.commit()
    return path


def app_on(path: Path | None, **options: Any) -> LabApp:
    return LabApp(worker=ScriptedWorker(frames=3), store=path, **options)


def runs_screen(app: LabApp) -> RunsScreen:
    assert isinstance(app.screen, RunsScreen)
    return app.screen


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until the screen shows what was asked for."""
    app = pilot.app
    assert isinstance(app, LabApp)
    await pilot.pause()
    # What a key has done to the store, and the look at it that follows.
    await worked(pilot)
    await until(pilot, lambda: not isinstance(app.screen, RunsScreen) or app.screen.idle)
    await pilot.pause()


async def opened(pilot: Pilot[Any], *keys: str) -> None:
    app = pilot.app
    assert isinstance(app, LabApp)
    await until(pilot, lambda: app.lab.session.live is not None)
    await pilot.press("R")
    await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    await settled(pilot)
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def listed(app: LabApp) -> list[str]:
    """The runs in sight: number and name."""
    strips = app.screen.query_one(RunsTable)._strips[1:]
    lines = ["".join(segment.text for segment in strip)[2:].split() for strip in strips]
    return [f"{line[0]} {line[3]}" for line in lines if line]


async def test_the_newest_comes_first() -> None:
    columns = [name for name, column in COLUMNS.items() if column.order]
    assert Listing().column == columns[0] == "run"


async def test_lists_what_is_stored(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test() as pilot:
        await opened(pilot)
        assert listed(app) == [f"{k} {name}" for k, name in enumerate(STORED, 1)][::-1]
        assert "5 runs, by run, downwards" in text(app)
        # What the chosen one came to stands below.
        assert "loss" in text(app) and "step 2/2" in text(app)


async def test_sorting(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(size=(160, 50)) as pilot:
        await opened(pilot, "right", "right")
        assert "by scenario, upwards" in text(app)
        assert [line.split()[1] for line in listed(app)] == sorted(STORED)
        await pilot.press("r")
        await settled(pilot)
        assert [line.split()[1] for line in listed(app)] == sorted(STORED)[::-1]
        await pilot.press("right", "right", "right", "right")
        await settled(pilot)
        assert "by decades, downwards" in text(app)
        # The dead one has no number of decades and comes last.
        assert [line.split()[1] for line in listed(app)][::4] == ["rnn-relu-above", "mlp-dead"]
        await pilot.press("left", "left", "left", "left", "left", "left")
        await settled(pilot)
        assert "by run, downwards" in text(app)


async def test_filtering_as_one_types(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test() as pilot:
        await opened(pilot, "slash", *"rnn")
        assert [line.split()[1] for line in listed(app)] == [
            *("indrnn-deep", "rnn-relu-above", "rnn-tanh")
        ]
        # Keys of the screen are words here.
        await pilot.press("space", *"expd", "backspace", "l")
        await settled(pilot)
        assert listed(app) == ["3 rnn-relu-above"]
        await pilot.press("enter", "enter")
        await until(pilot, lambda: app.screen is app.lab)
        assert app.lab.session.scenario.name == "rnn-relu-above"
        await pilot.press("R")
        await settled(pilot)
        # As it was left.
        assert listed(app) == ["3 rnn-relu-above"]
        await pilot.press("escape")
        await settled(pilot)
        assert len(listed(app)) == 5
        await pilot.press("slash", *"zzz")
        await settled(pilot)
        assert "No run has all of these words" in text(app)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app.lab)


async def test_opening_shows_the_run_as_it_was_stored(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, "down", "down", "enter")
        await until(pilot, lambda: app.screen is app.lab)
        session = app.lab.session
        await until(pilot, lambda: session.live.prediction is not None)
        assert session.state is State.STORED and session.label == "rnn-relu-above"
        with History.open(stored) as history:
            (only,) = history.ends(3)
        live = session.live
        assert live is not None and live.latest is not None and live.first is not None
        assert live.latest.verdict == only.verdict
        assert (live.first.log10_grad_h == only.log10_grad_h).all()
        assert "stored" in text(app) and "exploding" in text(app)
        # Nothing is computed for it until it is run again.
        worker = app._scripted
        assert worker is not None and worker.told[-1] == "foretell"
        await pilot.press("v", "v")
        await pilot.pause()
        assert "a stored run keeps no weights" in " ".join(text(app).split())
        await pilot.press("l", "n")
        await pilot.pause()
        assert worker.told[-1] == "foretell"
        await pilot.press("r")
        await until(pilot, lambda: session.live is not live)
        assert "start" in worker.told[2:] and session.scenario.name == "rnn-relu-above"


async def test_a_file_is_named_after_the_run_it_holds(stored: Path, tmp_path: Path) -> None:
    app = app_on(stored, folder=tmp_path / "saved")
    (tmp_path / "saved").mkdir()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, "down", "down", "s", "w")
        await pilot.pause()
    names = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert names == ["rnn-relu-above.toml", "runs.svg"]


async def test_comparing(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, "p", "down", "p", "down")
        assert [pin.run for pin in app.lab.session.pins] == [-5, -4]
        table = app.screen.query_one(RunsTable)
        marks = [next(iter(strip)).text[0] for strip in table._strips[1:4]]
        assert marks == ["■", "▲", " "]
        await pilot.press("up", "p", "down", "c")
        await until(pilot, lambda: "Compare: 3 runs" in text(app))
        assert [pin.label for pin in app.lab.session.pins] == [
            *("indrnn-deep (run 5) layer 4", "rnn-relu-above (run 3)")
        ]
        assert isinstance(app.lab._picture.view, CompareView)
        assert "rnn-relu-above (run 3)" in text(app)
        assert "≤" in app.lab.session.pins[0].standing.theory


async def test_runs_are_told_apart_by_what_was_changed(path: Path) -> None:
    store_runs(path, "rnn-relu-above", "rnn-tanh")
    store_runs(path, "rnn-relu-above", **{"init.recurrent_scale": 2**0.5})
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE runs SET step = 100, steps = 100")
        db.commit()
    app = app_on(path)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        lines = text(app).splitlines()
        assert "recurrent_scale=1.4" in lines[3] and "recurrent" not in lines[5]
        await pilot.press("slash", *"above", "space", *"scale=1.4")
        await settled(pilot)
        assert listed(app) == ["3 rnn-relu-above"]
        plot = runs_screen(app)._plot
        assert "run 3: " in plot._entitled and "recurrent_scale=1.41421" in plot._entitled


async def test_each_key_is_about_the_run_it_was_pressed_on(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        type_at_once(app, *("p", "down") * 3, "p", "p")
        await settled(pilot)
        assert [pin.run for pin in app.lab.session.pins] == [-5, -4, -3]
        type_at_once(app, "c", "up")
        await until(pilot, lambda: app.screen is app.lab)
        assert [pin.run for pin in app.lab.session.pins] == [-5, -4, -3, -2]
        await opened(pilot)
        type_at_once(app, "enter", "down")
        await until(pilot, lambda: app.screen is app.lab)
        assert app.lab.session.scenario.name == "rnn-relu-above"


async def test_a_fifth_pin_says_which_key_helps_here(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot, *("p", "down") * 4, "p")
        (notice,) = app._notifications
        assert "no more fit: p on a pinned run lets it go" in notice.message
        await pilot.press("up", "p", "down", "p")
        await settled(pilot)
        assert [pin.run for pin in app.lab.session.pins] == [-5, -4, -3, -1]


async def test_renaming(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test() as pilot:
        await opened(pilot, "n")
        await pilot.press(*"mine", "enter")
        await settled(pilot)
        assert listed(app)[0] == "5 mine"
        await pilot.press("n", "escape")
        await pilot.press("n", "ctrl+u", "enter")
        await settled(pilot)
        assert listed(app)[0] == "5 indrnn-deep"


@pytest.mark.parametrize("width", [180, 100, 80, 60])
async def test_a_long_name_leaves_room_for_the_result(stored: Path, width: int) -> None:
    name = "a name of sixty letters for the talk that is given on Friday"
    with closing(sqlite3.connect(stored)) as db:
        db.execute("UPDATE runs SET label = ?, state = 'interrupted' WHERE id = 5", (name,))
        db.commit()
    app = app_on(stored)
    async with app.run_test(size=(width, 30)) as pilot:
        await opened(pilot)
        head, line = text(app).splitlines()[2:4]
        assert {"steps", "decades", "verdict", "state"} < set(head.split())
        assert line.split()[-2:] == ["healthy", "interrupted"] and "2/2" in line
        assert (name in line) if width == 180 else ("a name of" in line and "…" in line)


async def test_deleting_and_undoing(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot, "down", "d", "delete")
        assert [line.split()[0] for line in listed(app)] == ["5", "2", "1"]
        assert "Deleted run 3, rnn-relu-above" in text(app)
        await pilot.press("u")
        await settled(pilot)
        assert [line.split()[0] for line in listed(app)] == ["5", "3", "2", "1"]
        await pilot.press("u", "u")
        await until(pilot, lambda: "Nothing is left to undo" in text(app))
        await settled(pilot)
        assert [line.split()[0] for line in listed(app)] == ["5", "4", "3", "2", "1"]


async def test_deleting_as_fast_as_one_types(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot)
        type_at_once(app, "d", "down", "d", "d", "p")
        await settled(pilot)
        assert [line.split()[0] for line in listed(app)] == ["4", "1"]
        assert "holds no run" not in text(app) and "2 runs" in text(app)
        assert [pin.run for pin in app.lab.session.pins] == [-1]
        type_at_once(app, "u", "u")
        await settled(pilot)
        assert [line.split()[0] for line in listed(app)] == ["4", "3", "2", "1"]


async def test_a_run_that_cannot_be_deleted_is_listed_again(stored: Path) -> None:
    app = app_on(stored)
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot)
        with History.open(stored) as other:
            other.delete([5])
        type_at_once(app, "d", "d")
        await settled(pilot)
        assert [line.split()[0] for line in listed(app)] == ["3", "2", "1"]
        with closing(sqlite3.connect(stored, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            type_at_once(app, "d")
            await until(pilot, lambda: "locked by another program" in text(app))
            holder.execute("ROLLBACK")
        await until(pilot, lambda: len(listed(app)) == 3)


@pytest.mark.parametrize(
    ("downs", "name", "start"),
    [(0, "run-5.csv", "run_id,step,"), (2, "run-5.jsonl", '{"run_id":5,'), (4, "runs.csv", "id,")],
)
async def test_exporting(stored: Path, tmp_path: Path, downs: int, name: str, start: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    app = app_on(stored, folder=folder)
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("e", *["down"] * downs, "enter")
        await until(pilot, lambda: f"Wrote {name}" in text(app))
        assert (folder / name).read_text().startswith(start)
        await pilot.press("e", *["down"] * downs, "enter")
        stem, _, suffix = name.partition(".")
        await until(pilot, lambda: (folder / f"{stem}-2.{suffix}").exists())


async def test_exporting_where_nothing_can_be_written(stored: Path, tmp_path: Path) -> None:
    app = app_on(stored, folder=tmp_path / "missing")
    async with app.run_test(notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("e", "enter")
        await until(pilot, lambda: "nothing was written" in " ".join(text(app).split()))


async def test_what_others_write_is_shown_live(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.runs.screen.REFRESH", 0.05)
    app = app_on(stored)
    async with app.run_test() as pilot:
        await opened(pilot, "down")
        run = Run(load("rnn-tanh", {"training.steps": 2}))
        with Store.open(stored) as store:
            number = store.begin_run(run.scenario, run.device, run.versions)
            await until(pilot, lambda: listed(app)[0] == f"{number} rnn-tanh")
            # The cursor stays with its run.
            chosen = runs_screen(app)._listing.chosen
            assert chosen is not None and chosen["id"] == 4
            await pilot.press("up", "up")
            for frame in run.frames():
                store.add_frame(number, frame)
                line = f"step {frame.step}/2"
                await until(pilot, lambda line=line: line in text(app))
            assert "running" in text(app)
            await pilot.press("d")
            await settled(pilot)
            assert listed(app)[0] == f"{number} rnn-tanh"
            store.end_run(number, frame, "done")
            await until(pilot, lambda: "running" not in text(app))


async def test_a_pinned_run_is_kept_and_a_store_that_fails_is_told_of(path: Path) -> None:
    app = app_on(path)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.lab.session.live is not None)
        await pilot.press("p")
        worker = app._scripted
        assert worker is not None and worker.told[-1] == "keep"
        worker.not_stored("the disk is full; the app's runs are not stored")
        await until(pilot, lambda: "the disk is full" in " ".join(text(app).split()))


async def test_the_apps_own_runs_are_there(path: Path) -> None:
    app = LabApp("rnn-tanh", store=path)
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("p")
        await until(pilot, path.exists)
        await opened(pilot)
        await until(pilot, lambda: listed(app) == ["1 rnn-tanh"])
        await until(pilot, lambda: "done" in text(app))


async def test_a_run_that_no_scenario_can_be_made_of_any_more(stored: Path) -> None:
    with closing(sqlite3.connect(stored)) as db:
        db.execute("UPDATE runs SET scenario = replace(scenario, 'depth', 'deepness') WHERE id = 4")
        db.commit()
    app = app_on(stored)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot, "down")
        assert "run 4: network.deepness" in text(app) and len(listed(app)) == 5
        assert "step 2/2" not in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(app._notifications) == 1)
        app.clear_notifications()
        await pilot.press("down")
        await until(pilot, lambda: "exploding" in text(app) and "deepness" not in text(app)[:400])


async def test_a_run_whose_text_is_gone(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("the quick brown fox jumps over the lazy dog. " * 80)
    store_runs(path, "indrnn-deep", **{"task.name": "text", "task.file": str(file)})
    file.unlink()
    app = app_on(path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, "p", "c")
        await until(pilot, lambda: "Compare: 2 runs" in text(app))
        (pin,) = app.lab.session.pins
        assert pin.standing.theory == "–"
        await opened(pilot, "enter")
        await until(pilot, lambda: app.lab.session.state is State.STORED)
        live = app.lab.session.live
        await until(pilot, lambda: live.prediction is not None)
        assert "mine.txt: cannot be read" in str(live.theory_silence)


# A store for every hour of the day


async def line_of(path: Path | None) -> str:
    app = app_on(path)
    async with app.run_test() as pilot:
        await opened(pilot)
        return " ".join(text(app).split())


async def test_nothing_is_stored_yet(path: Path) -> None:
    assert "Nothing is stored yet" in await line_of(path)
    assert not path.exists()


@pytest.mark.parametrize("seen", [True, False])
async def test_why_nothing_is_stored(
    path: Path, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.runs.screen.REFRESH", 0.05)
    app = app_on(path)
    async with app.run_test() as pilot:
        line = f"{path}: cannot be opened; the app's runs are not stored"
        if seen:
            await until(pilot, lambda: app.lab.session.live is not None)
            app._scripted.not_stored(line)
            await until(pilot, lambda: app.lab.session.not_stored == line)
        await opened(pilot)
        if not seen:
            app._scripted.not_stored(line)
        await until(pilot, lambda: "runs are not stored" in " ".join(text(app).split()))
        assert "Nothing is stored yet" not in text(app)


async def test_without_a_store() -> None:
    assert "opened with --no-store" in await line_of(None)


async def test_a_newer_store(stored: Path) -> None:
    with closing(sqlite3.connect(stored)) as db:
        db.execute("PRAGMA user_version = 99")
    assert "is of version 99" in await line_of(stored)


async def test_a_file_that_is_no_store(path: Path) -> None:
    path = path.with_suffix(".txt")
    path.write_text("hello " * 1000)
    assert "is not a run store" in await line_of(path)


async def test_a_locked_store_can_be_read_and_says_so(stored: Path) -> None:
    app = app_on(stored)
    with closing(sqlite3.connect(stored, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        async with app.run_test(notifications=True) as pilot:
            await opened(pilot)
            assert "read only: locked by another program" in text(app) and len(listed(app)) == 5
            await pilot.press("d")
            await until(pilot, lambda: len(app._notifications) == 1)
            assert len(listed(app)) == 5
            holder.execute("ROLLBACK")
            await pilot.press("d")
            await until(pilot, lambda: len(listed(app)) == 4)
            assert "locked" not in app.screen.query_one(RunsTable)._entitled


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
async def test_a_write_protected_store_can_be_read(stored: Path) -> None:
    stored.chmod(0o444)
    assert "write-protected" in await line_of(stored)


def many(path: Path, count: int) -> None:
    store_runs(path, "rnn-tanh")
    with closing(sqlite3.connect(path)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(runs)") if row[1] != "id"]
        columns = ", ".join(names)
        values = columns.replace("decades,", "value * 0.001,")
        db.execute(
            f"WITH RECURSIVE numbers (value) AS (SELECT 2 UNION ALL SELECT value + 1 FROM numbers"
            f" WHERE value < {count}) INSERT INTO runs ({columns})"
            f" SELECT {values} FROM runs, numbers WHERE runs.id = 1"
        )
        db.commit()


async def test_a_long_list_is_read_in_pages(path: Path) -> None:
    many(path, 5000)
    app = app_on(path)
    async with app.run_test() as pilot:
        await opened(pilot)
        listing = runs_screen(app)._listing
        assert "5,000 runs" in text(app) and len(listing.rows) == PAGE
        await pilot.press("end")
        await settled(pilot)
        assert listed(app)[-1] == "1 rnn-tanh" and len(listing.rows) < PAGE
        await pilot.press("pageup", "up")
        await settled(pilot)
        chosen = listing.chosen
        assert chosen is not None and chosen["id"] == 5000 - listing.cursor
        await pilot.press("home")
        await settled(pilot)
        assert listed(app)[0] == "5000 rnn-tanh"


# Pictures


def shows(*keys: str, theme: str = "nablascope") -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def steps(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await opened(pilot, *keys)
        pilot.app.clear_notifications()
        await settled(pilot)

    return steps


@both_sizes
@pytest.mark.parametrize("theme", ["nablascope", "nablascope-light"])
def test_runs(same_picture: Compare, stored: Path, size: tuple[int, int], theme: str) -> None:
    steps = shows("p", "down", "down", "p", theme=theme)
    assert same_picture(app_on(stored), terminal_size=size, run_before=steps)


@both_sizes
def test_filtered(same_picture: Compare, stored: Path, size: tuple[int, int]) -> None:
    steps = shows("slash", *"rnn")
    assert same_picture(app_on(stored), terminal_size=size, run_before=steps)


def test_a_name(same_picture: Compare, stored: Path) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("n", *"for the talk")
        await pilot.pause()

    assert same_picture(app_on(stored), terminal_size=(80, 24), run_before=steps)


def test_an_opened_run(same_picture: Compare, stored: Path) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, LabApp)
        await opened(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.lab)
        await until(pilot, lambda: app.lab.session.live.prediction is not None)
        await pilot.pause(0.05)

    assert same_picture(app_on(stored), terminal_size=(80, 24), run_before=steps)


def test_runs_in_sixteen_colours(same_picture: Compare, stored: Path) -> None:
    app = app_on(stored, colours=Colours.SIXTEEN)
    steps = shows("p", "down", theme="nablascope-ansi")
    assert same_picture(app, terminal_size=(80, 24), run_before=steps)


def test_runs_in_ascii(
    same_picture: Compare, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_on(stored, colours=None, unicode=False)
    steps = shows("p", "down", theme="nablascope-ansi")
    assert same_picture(app, terminal_size=(80, 24), run_before=steps)
