"""The Map screen by keys alone, and what it looks like."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from scenarios.scenario import load
from scenarios.store.store import Store
from scenarios.sweeps.executors import InProcess
from scenarios.sweeps.run import SweepRun
from scenarios.sweeps.worker import Ended, Message, Theory
from tests.app.support import LabApp, ScriptedWorker, finished, until, worked
from tests.app.test_keys import goto, text
from tui.map.screen import MapScreen
from tui.map.session import State
from tui.terminal import Colours

SIZES = pytest.mark.parametrize(
    "size", [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50")]
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs.sqlite"
    monkeypatch.setenv("NABLASCOPE_STORE", str(path))
    monkeypatch.setattr("tui.map.screen.FRAME_RATE", 100)
    return path


class ScriptedSweep:
    """Hands over so many cells of a sweep, and then nothing until it is stopped."""

    def __init__(self, cells: int) -> None:
        self.cells, self.running = cells, False
        self.told: list[str] = []
        self._outbox: list[Message] = []

    def start(self, sweep: Any) -> None:
        from scenarios.sweeps.diagram import Diagram, theory_line

        self.told.append("start")
        self.running = True
        diagram = Diagram(sweep)
        self._outbox = [Theory(theory_line(diagram, diagram.panels()[0]))]
        run = SweepRun(sweep, InProcess(), coarse_first=True)
        self._outbox += [cell for cell, _ in zip(run.cells(), range(self.cells), strict=False)]

    def stop(self) -> None:
        self.told.append("stop")

    def end(self) -> None:
        self._outbox.append(Ended())

    def poll(self) -> list[Message]:
        messages, self._outbox = self._outbox, []
        if messages and isinstance(messages[-1], Ended):
            self.running = False
        return messages

    def close(self) -> None:
        self.running = False


class MapApp(LabApp):
    """The app on a small RNN; its sweeps are run in a thread unless they are scripted."""

    def __init__(self, name: str = "rnn-tanh", sweep: ScriptedSweep | None = None, **options: Any):
        kept = Path(os.environ["NABLASCOPE_STORE"])
        super().__init__(name, **{"worker": ScriptedWorker(frames=0), "store": kept, **options})
        self._sweep = sweep

    def make_sweep_worker(self) -> Any:
        return super().make_sweep_worker() if self._sweep is None else self._sweep


def shown(pilot: Pilot[Any]) -> MapScreen:
    screen = pilot.app.screen
    assert isinstance(screen, MapScreen)
    return screen


async def filled(pilot: Pilot[Any]) -> None:
    """Wait until every cell is there and drawn."""
    await until(pilot, lambda: shown(pilot).session.state is State.FINISHED)
    await pilot.pause(0.03)


async def type_into(pilot: Pilot[Any], row: int, value: str) -> None:
    """Type a value into a control by its row, from wherever the cursor is."""
    if not shown(pilot)._controls.has_focus:
        await pilot.press("tab")
    keys = {" ": "space", ",": "comma", ".": "full_stop", "-": "minus"}
    await pilot.press("home", *["down"] * row, "enter", *(keys.get(c, c) for c in value), "enter")
    await pilot.pause()


async def small_map(pilot: Pilot[Any]) -> None:
    """Five scales by four lengths of the small RNN, on the map's own controls."""
    await pilot.press("M")
    await pilot.pause()
    await type_into(pilot, 7, "5")
    await type_into(pilot, 12, "4")
    await pilot.press("tab")


async def test_a_map_of_the_labs_network_fills_in() -> None:
    app = MapApp()
    async with app.run_test(size=(100, 32)) as pilot:
        await small_map(pilot)
        screen = text(app)
        assert "[M Map]" in screen and "Time steps × recurrent scale, RNN with tanh" in screen
        assert "20 cells: space runs them" in screen and "not run yet" in screen
        await pilot.press("space")
        await filled(pilot)
        screen = text(app)
        assert "20 of 20 cells" in screen and "finished" in screen
        assert "decades: time steps up, recurrent scale across" in screen
        assert "theory, " in screen and "the edge between vanishing and exploding" in screen


async def test_a_map_not_run_yet_follows_the_lab() -> None:
    app = MapApp("rnn-tanh")
    async with app.run_test(size=(100, 32)) as pilot:
        await small_map(pilot)
        await visited(pilot, "rnn-relu-above")
        # The same fields make sense there, so that what was set stays.
        assert shown(pilot).session.sweep.base.name == "rnn-relu-above"
        assert "map of           rnn-relu-above" in text(app) and "20 cells" in text(app)
        await visited(pilot, "rnn-relu-above")
        assert "20 cells" in text(app)
        await visited(pilot, "chain-sigmoid")
        assert "Depth × weight scale" in text(app) and "map of           chain-sigmoid" in text(app)
        assert not any(knob.changed for knob in shown(pilot)._controls._knobs)


async def test_a_map_that_has_run_names_its_network() -> None:
    sweep = ScriptedSweep(cells=1)
    app = MapApp("rnn-tanh", sweep)
    async with app.run_test(size=(100, 32)) as pilot:
        await pilot.press("M")
        await pilot.pause()
        await pilot.press("space")
        await visited(pilot, "chain-sigmoid")
        screen = text(app)
        assert "map of           rnn-tanh" in screen and "Time steps × recurrent scale" in screen
        # The Lab's network is the first of the list, where the cursor is, and can be had.
        await pilot.press("tab", "home", "enter", "enter")
        await pilot.pause()
        assert "map of         ◂ chain-sigmoid" in text(app)
        await pilot.press("right", "left")
        await pilot.pause()
        assert shown(pilot).session.setup.base.name == "chain-sigmoid"


async def visited(pilot: Pilot[Any], name: str) -> None:
    """Run another scenario in the Lab and come back to the map."""
    await pilot.press("G")
    app = pilot.app
    assert isinstance(app, LabApp)
    app.run_scenario(name)
    await pilot.pause()
    await pilot.press("M")
    await pilot.pause()


async def test_bounds_say_which_side_is_which_in_one_line() -> None:
    app = MapApp("chain-sigmoid", ScriptedSweep(cells=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("M")
        await pilot.pause()
        await pilot.press("space")
        await until(pilot, lambda: shown(pilot).session.line is not None)
        await pilot.pause(0.05)
        line = shown(pilot).session.line
        assert line is not None and "gate" not in line.meaning
        row, column = shown(pilot)._view.cursor
        low, high = line.scales[row if line.across else column]
        assert f"theory: vanishes < {low:.4g}, may explode > {high:.4g} " in text(app)


async def test_the_cursor_reads_points_and_opens_them_in_the_lab() -> None:
    app = MapApp(worker=None, store=None)
    async with app.run_test(size=(100, 32)) as pilot:
        await small_map(pilot)
        await pilot.press("space")
        await filled(pilot)
        await pilot.press("home", *["up"] * 9)
        await pilot.pause()
        assert "recurrent scale 0.4, time steps 80" in text(app)
        assert "vanishing" in text(app) and "over 79 steps; loss" in text(app)
        (cell,) = shown(pilot).session.cells[3, 0]
        await pilot.press("enter")
        await finished(pilot)
        session = app.lab.session
        assert app.current_mode == "lab"
        assert (session.scenario.init.recurrent_scale, session.scenario.task.time_steps) == (
            0.4,
            80,
        )
        # The same network, to the last bit but those of a stack's products.
        assert session.live is not None and session.live.verdict is not None
        assert session.live.verdict.decades == pytest.approx(cell.result.decades, abs=1e-9)
        # It is the catalogue's network with other values, and says with which.
        assert {"recurrent_scale=0.4", "time_steps=80"} < set(session.changes)
        assert "recurrent_scale=0.4" in session.live.pin_label and "•time steps       80" in text(
            app
        )
        await goto(pilot, "task.time_steps")
        await pilot.press("backspace")
        assert session.scenario.task.time_steps == load("rnn-tanh").task.time_steps
        await pilot.press("M")
        await pilot.pause()
        assert "recurrent scale 0.4, time steps 80" in text(app)


async def test_a_map_agrees_with_the_command_lines_and_resumes_from_the_store(store: Path) -> None:
    from scenarios.sweeps.definition import load_sweep

    sweep = load_sweep("lengths")
    with Store.open(store) as opened:
        cells = SweepRun(sweep, InProcess(), opened).cells()
        command_line = [cell for cell, _ in zip(cells, range(50), strict=False)]
        cells.close()  # type: ignore[attr-defined]
    app = MapApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("M", "tab", "right")
        await pilot.pause()
        assert "120 cells: space runs them" in text(app)
        await pilot.press("space")
        await filled(pilot)
        session = shown(pilot).session
        kept = len(command_line) - 1
        assert session.stored >= kept and f"{session.stored} were stored before" in text(app)
        reached = {cell.index: cell for cells in session.cells.values() for cell in cells}
        for cell in command_line[:kept]:
            assert reached[cell.index].result.decades == cell.result.decades
        await pilot.press("tab", "right")
        await pilot.pause()
        assert "median of 3 seeds: " in text(app)
    # One sweep, begun in a shell, gone on with in the app.
    with Store.open(store, read_only=True) as opened:
        assert [(row["stored"], row["state"]) for row in opened.sweeps()] == [(120, "done")]
    again = MapApp()
    async with again.run_test(size=(80, 24)) as pilot:
        await pilot.press("M", "tab", "right", "space")
        await filled(pilot)
        assert shown(pilot).session.stored == 120


async def test_zooming_in_and_out() -> None:
    app = MapApp()
    async with app.run_test(size=(100, 32), notifications=True) as pilot:
        await small_map(pilot)
        await pilot.press("Z")
        await pilot.pause()
        assert "This is the whole map" in text(app)
        await pilot.press("home", "right", "z")
        await pilot.pause()
        assert "recurrent scale 0.8, time steps 60: z zooms in" in text(app)
        await pilot.press("right", "up")
        await pilot.pause()
        assert "recurrent scale 0.8 to 1.2, time steps 60 to 80: z zooms in" in text(app)
        await pilot.press("z")
        await filled(pilot)
        setup = shown(pilot).session.setup
        assert (setup.x.low, setup.x.high, setup.x.count) == (0.8, 1.2, 5)
        assert (setup.y.low, setup.y.high, setup.y.count) == (60, 80, 4)
        await pilot.press("home", "z", "escape")
        assert app.current_mode == "map"
        await pilot.press("Z")
        await filled(pilot)
        session = shown(pilot).session
        assert (session.setup.x.low, session.setup.x.high) == (0.4, 2.0)
        await pilot.press("escape")
        assert app.current_mode == "lab"


async def test_other_fields_and_lists() -> None:
    app = MapApp()
    async with app.run_test(size=(100, 32)) as pilot:
        await small_map(pilot)
        await pilot.press("tab", "home", *["down"] * 3, "enter")
        await pilot.pause()
        await pilot.press("home", "down", "enter")
        await pilot.pause()
        assert "activation" in text(app) and "sigmoid, tanh, relu" in text(app)
        await type_into(pilot, 4, "tanh, relu")
        await pilot.press("space")
        await filled(pilot)
        session = shown(pilot).session
        assert session.sweep.x == "network.activation" and session.sweep.cells == 8
        assert "neither side is a scale of weights" in text(app)
        # Names are read from the top, and zooming among them leaves those between.
        await pilot.press("tab", "home", "z", "up", "z")
        await filled(pilot)
        assert session.setup.x.values == ("tanh",)


BAD = [
    pytest.param(7, "0", "0: must be a whole number, 1 to 1000", id="count"),
    pytest.param(5, "-1", "-1.0: ", id="from"),
    pytest.param(6, "0.4", "must differ from the other end", id="nothing-between"),
    pytest.param(5, "abc", '"abc": must be a number', id="no-number"),
    pytest.param(7, "1000", "a map has 10,000 at most", id="too-large"),
    pytest.param(2, "101", "101: must be a whole number, 1 to 100", id="seeds"),
]


@pytest.mark.parametrize(("row", "typed", "line"), BAD)
async def test_bad_input_is_one_line_by_its_control(row: int, typed: str, line: str) -> None:
    app = MapApp()
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("M")
        await pilot.pause()
        before = shown(pilot).session.setup
        await type_into(pilot, row, typed)
        lines = text(app).splitlines()
        wrong = next(place for place, one in enumerate(lines) if "✗" in one)
        near = " ".join(one[:44].strip("│ ") for one in lines[wrong : wrong + 3])
        assert line in " ".join(near.split())
        title = shown(pilot)._controls._knobs[row].title.strip()
        assert title in lines[wrong - 1]
        assert shown(pilot).session.setup is before
        await pilot.press("right")
        await pilot.pause()
        assert "✗" not in text(app)


async def test_the_same_field_on_both_sides_is_refused() -> None:
    app = MapApp()
    async with app.run_test(size=(100, 32)) as pilot:
        await pilot.press("M", "tab", *["down"] * 8)
        fields = [name for name, _ in _choices(pilot, "map.y")]
        across = shown(pilot).session.setup.x.field.title
        up = shown(pilot).session.setup.y.field.title
        way = (fields.index(across) - fields.index(up)) % len(fields)
        await pilot.press(*["right"] * (way - 1))
        await pilot.pause()
        before = shown(pilot).session.setup
        await pilot.press("right")
        await pilot.pause()
        assert "is what runs across already" in text(app)
        assert shown(pilot).session.setup is before


def _choices(pilot: Pilot[Any], key: str) -> list[tuple[str, str]]:
    from tui.map.knobs import choices_of

    return choices_of(shown(pilot).session.setup, key)


async def test_stopping_and_going_on() -> None:
    sweep = ScriptedSweep(6)
    app = MapApp(sweep=sweep)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("M", "space")
        session = shown(pilot).session
        await until(pilot, lambda: session.done == 6)
        await pilot.press("space")
        await pilot.pause()
        assert "6 of 231 cells, space goes on" in text(app) and "paused" in text(app)
        # Cells under way are waited for before it goes on, so that none is run twice.
        await pilot.press("space")
        await pilot.pause(0.05)
        assert sweep.told == ["start", "stop"]
        sweep.end()
        await until(pilot, lambda: sweep.told == ["start", "stop", "start"])
        assert session.state is State.RUNNING


async def test_it_goes_on_behind_another_screen() -> None:
    sweep = ScriptedSweep(231)
    app = MapApp(sweep=sweep)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("M")
        session = shown(pilot).session
        await pilot.press("G")
        session.start()
        app.get_screen_stack("map")[0]._timer.resume()  # type: ignore[attr-defined]
        await until(pilot, lambda: session.done == 231)
        await pilot.press("M")
        await until(pilot, lambda: "231 of 231 cells" in text(app))


async def test_a_grid_that_does_not_go_together_is_read_as_such() -> None:
    app = MapApp("chain-sigmoid")
    async with app.run_test(size=(100, 32)) as pilot:
        app.open_map("initialiser")
        await pilot.pause()
        await pilot.press("space")
        await filled(pilot)
        await pilot.press("home")
        await pilot.pause()
        assert "initialiser gaussian, activation" in text(app)


async def test_the_palette_opens_a_sweep_in_the_map() -> None:
    app = MapApp()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+p", *"map initialiser")
        await worked(pilot)
        assert "Map Initialiser" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MapScreen))
        await pilot.pause()
        assert "12 cells: space runs them" in text(app)


async def test_what_is_saved_is_the_points(tmp_path: Path) -> None:
    app = MapApp(folder=tmp_path)
    async with app.run_test() as pilot:
        await pilot.press("M", "s", "w")
        await pilot.pause()
    assert (tmp_path / "rnn-tanh-map.svg").exists()
    (written,) = tmp_path.glob("*.toml")
    assert written.name.startswith("rnn-tanh-") and "time_steps" in written.name
    assert "time_steps" in written.read_text()


def test_every_sweep_of_the_catalogue_is_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from scenarios.scenario import load
    from tui.map.setup import setup_of, sources

    for name, _ in sources()[1:]:
        sweep = setup_of(name, load("rnn-tanh")).sweep()
        assert (sweep.name, sweep.combine, len(sweep.varied)) == (name, "product", 2)


# Pictures


async def full(pilot: Pilot[Any]) -> None:
    await pilot.press("M", "space")
    await filled(pilot)


@SIZES
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_map(snap_compare: Callable[..., bool], size: tuple[int, int], theme: str) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        if theme == "light":
            pilot.app.theme = "nablascope-light"
        await full(pilot)

    assert snap_compare(MapApp(), terminal_size=size, run_before=steps)


def test_map_in_sixteen_colours(snap_compare: Callable[..., bool]) -> None:
    app = MapApp(colours=Colours.SIXTEEN)
    assert snap_compare(app, terminal_size=(80, 24), run_before=full)


def test_map_without_colour_or_unicode(
    snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = MapApp(colours=None, unicode=False)
    assert snap_compare(app, terminal_size=(80, 24), run_before=full)


@SIZES
def test_map_half_filled(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    sweep = ScriptedSweep(40)

    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("M", "space")
        await until(pilot, lambda: shown(pilot).session.done == 40)
        await pilot.press("left", "z", "right", "right", "up")
        await pilot.pause(0.03)

    assert snap_compare(MapApp(sweep=sweep), terminal_size=size, run_before=steps)


def test_map_with_a_bad_value(snap_compare: Callable[..., bool]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("M")
        await pilot.pause()
        await type_into(pilot, 7, "1000")

    assert snap_compare(MapApp(), terminal_size=(80, 24), run_before=steps)


def test_smallest_map(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(MapApp(), terminal_size=(60, 20), run_before=full)
