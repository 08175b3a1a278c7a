"""The Runs screen: the store's runs in a list, and what can be done with the one chosen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input

from scenarios.errors import ScenarioError
from tui.keybar import KeyBar
from tui.lab.plot import GradientPlot, markers
from tui.lab.verdict import VerdictBar
from tui.modes import LAB, RUNS
from tui.runs.columns import called
from tui.runs.desk import Desk, foretold
from tui.runs.dialogues import Filter, NameScreen
from tui.runs.shelf import Shelf, StoredRun, take
from tui.runs.table import RunsTable
from tui.sizes import HEIGHTS, WIDTHS, TooSmall, classes_for
from tui.titlebar import TitleBar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.geometry import Size

    from scenarios.scenario import Scenario
    from scenarios.store.history import History
    from tui.app import NablascopeApp
    from tui.runs.columns import Row

_T = TypeVar("_T")

#: Seconds between two looks at what others have written.
REFRESH = 1.0
NO_STORE = "No store: the app was opened with --no-store."
EMPTY = "Nothing is stored yet. A run is, once it has been on for two seconds or was pinned."
_UNPIN = "p on a pinned run lets it go"
NO_MATCH = "No run has all of these words; escape lists all."


class RunsScreen(Screen[None]):
    """The list, and below it what the chosen run came to."""

    app: NablascopeApp

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDING_GROUP_TITLE = "The runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", key_display="enter", tooltip="Show it as it was stored"),
        Binding("slash", "filter", "find", key_display="/", tooltip="List only what has words"),
        Binding("left", "sort(-1)", "sort", key_display="←→", tooltip="Sort by another column"),
        Binding("right", "sort(1)", "Sort", show=False, tooltip="Sort by another column"),
        Binding("r", "reverse", "reverse", tooltip="The same order from its other end"),
        Binding("p", "pin", "pin", tooltip="Pin it in the Lab's plot, or let it go"),
        Binding("c", "compare", "compare", tooltip="Beside the Lab's run and what is pinned"),
        Binding("n", "rename", "name", tooltip="Give it a name"),
        Binding("d,delete", "delete", "delete", key_display="d", tooltip="Delete it; u undoes"),
        Binding("u", "undo", "undo", tooltip="Have back what was deleted last"),
        Binding("e", "export", "export", tooltip="Write it to a file"),
        Binding("escape", "leave", "back", key_display="esc", tooltip="All runs, then the Lab"),
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="The run above"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="The run below"),
        Binding("pageup", "move_screen(-1)", "Up", False, tooltip="A screenful up"),
        Binding("pagedown", "move_screen(1)", "Down", False, tooltip="A screenful down"),
        Binding("home", "move(-1000000000)", "Top", show=False, tooltip="The first run"),
        Binding("end", "move(1000000000)", "Bottom", show=False, tooltip="The last run"),
    ]

    def __init__(self, size: Size) -> None:
        super().__init__(classes=classes_for(size))
        self._desk = Desk()
        self._listing = self._desk.listing
        self._shelf = None if self.app.store is None else Shelf(self.app.store)
        self._line = ""
        self._busy = self._again = False
        # Keys are typed faster than the store answers: what they do is done in their order.
        self._turn = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """Few widgets: each draws its own lines."""
        app = self.app
        yield TitleBar(RUNS, id="title")
        with Vertical(id="runs-body"):
            yield Filter()
            yield RunsTable(self._listing, markers=markers(app.unicode), id="runs")
            yield GradientPlot(colours=app.colours, unicode=app.unicode, id="plot")
            yield VerdictBar(id="verdict")
        yield KeyBar(id="keys")
        yield TooSmall(id="too-small")

    def on_mount(self) -> None:
        """Find the parts once, and look into the store when the first picture is on the screen."""
        # The Lab's: it is where runs are pinned, and it outlasts this screen's last look.
        self._lab = self.app.lab
        self._session = self._lab.session
        self._title = self.query_one(TitleBar)
        self._filter = self.query_one(Filter)
        self._table = self.query_one(RunsTable)
        self._plot = self.query_one(GradientPlot)
        self._verdict = self.query_one(VerdictBar)
        self._filter.display = False
        self._table.focus()
        self._show()
        self.set_interval(REFRESH, self._tick)
        self.call_after_refresh(self._look)

    def on_screen_resume(self) -> None:
        """What is pinned may have changed meanwhile, and what is stored."""
        if self.is_mounted and hasattr(self, "_table"):
            self._show()
            self._look()

    def on_unmount(self) -> None:
        """Let go of the store."""
        if self._shelf is not None:
            self._shelf.close()

    @property
    def label(self) -> str:
        """What a saved picture of it is called."""
        return "runs"

    @property
    def scenario(self) -> Scenario | None:
        """The chosen run's."""
        stored = self._desk.stored
        return None if stored is None else stored.scenario

    @property
    def idle(self) -> bool:
        """Whether what is shown is what was asked for."""
        return not self._busy

    # Looking into the store

    def _tick(self) -> None:
        if self.app.current_mode == RUNS and not self.app.output_pending:
            # Where nothing is stored, the Lab's engine knows why. When the app ends, it goes first.
            if self._listing.count == 0 and self._lab.is_running:
                self._lab.take_in()
            self._look()

    def _look(self) -> None:
        """Fetch what is to be shown; one look at a time, the newest last."""
        if self._shelf is None:
            return
        if self._busy:
            self._again = True
            return
        self._busy = True
        self.run_worker(self._fetch())

    async def _fetch(self) -> None:
        assert self._shelf is not None
        try:
            await self._desk.look(self._shelf, self._table.height)
            self._line = ""
        except ScenarioError as error:
            self._line = str(error)
        self._busy = False
        self._show()
        if self._again or self._desk.again:
            self._again = self._desk.again = False
            self._look()

    def _changed(self) -> None:
        """The listing is another one: show what is known of it, and look for the rest."""
        self._desk.stale = True
        self._show()
        self._look()

    # Drawing

    def _show(self) -> None:
        listing, pins = self._listing, self._session.pins
        nothing = self._session.not_stored or EMPTY
        note = self._line or ("Looking into the store …" if self._busy else nothing)
        if self._shelf is None:
            note = NO_STORE
        if listing.words and self._shelf is not None and not self._line:
            note = NO_MATCH
        self._table.show({-pin.run: pin.slot for pin in pins if pin.run < 0}, note)
        self._title.show(listing.summary, None)
        read_only = None if self._shelf is None else self._shelf.read_only
        title = "runs" if read_only is None else f"runs, read only: {read_only}"
        self._table.entitle(self._line or title)
        stored = self._desk.stored
        self._plot.show(self._desk.live, pins, "no step of it is stored" if stored else "")
        self._verdict.show(self._desk.live, "" if stored is None else stored.row["device"], None)
        error = None if stored is None else stored.row["error"]
        self._verdict.show_failure(error)
        if stored is not None:
            self._plot.entitle(f"run {stored.number}: {stored.title}")

    # Keys

    def action_move(self, by: int) -> None:
        """Another run."""
        self._listing.move(by, self._table.height)
        self._show()
        self._look()

    def action_move_screen(self, by: int) -> None:
        """A screenful up or down."""
        self.action_move(by * max(self._table.height - 1, 1))

    @on(RunsTable.Moved)
    def _move(self, message: RunsTable.Moved) -> None:
        self.action_move(message.by)

    def action_sort(self, by: int) -> None:
        """Another order."""
        self._listing.sort(by)
        self._changed()

    def action_reverse(self) -> None:
        """The other way round."""
        self._listing.reverse()
        self._changed()

    def action_filter(self) -> None:
        """Type to narrow the list."""
        self._filter.display = True
        self._filter.focus()

    @on(Input.Changed)
    def _narrow(self, message: Input.Changed) -> None:
        if message.input is self._filter:
            self._listing.narrow(message.value.split())
            self._changed()

    @on(Filter.Left)
    def _leave_filter(self, message: Filter.Left) -> None:
        if message.cleared:
            self._filter.value = ""
        self._filter.display = bool(self._filter.value)
        self._table.focus()

    def action_leave(self) -> None:
        """All runs again; where all are listed, back to the Lab."""
        if self._listing.words:
            self._filter.value = ""
            self._filter.display = False
        else:
            self.app.switch_mode(LAB)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is typed into the filter is no command."""
        if self.focused is not None and isinstance(self.focused, Filter):
            return action in ("move", "move_screen") or super().check_action(action, parameters)
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """Show the run in the Lab, as it was stored."""
        self._with_chosen(self._open)

    async def _open(self, stored: StoredRun) -> None:
        if stored.frames:
            self.app.open_stored(stored.scenario, stored.frames, stored.label)
        else:
            self.app.open_in_lab(stored.scenario)
            self.notify(f"Run {stored.number} kept no step: it runs once more.")

    def action_pin(self) -> None:
        """Pin the run in the Lab's plot, or let it go."""
        self._with_chosen(self._pin)

    async def _pin(self, stored: StoredRun) -> None:
        session = self._session
        if not session.unpin_run(-stored.number):
            self._refuse(session.pin_run(await foretold(stored, self._shelf), _UNPIN))
        self._show()

    def action_compare(self) -> None:
        """Beside what is in the Lab's plot."""
        self._with_chosen(self._compare)

    async def _compare(self, stored: StoredRun) -> None:
        session = self._session
        if all(pin.run != -stored.number for pin in session.pins):
            refusal = session.pin_run(await foretold(stored, self._shelf), _UNPIN)
            if refusal is not None:
                self._refuse(refusal)
                return
        self.app.compare_runs()

    def _refuse(self, line: str | None) -> None:
        if line is not None:
            self.notify(line, timeout=4, markup=False)

    def action_rename(self) -> None:
        """Give the run a name."""
        row = self._listing.chosen
        if row is None:
            return

        def named(name: str | None) -> None:
            if name is not None:
                rename = self._change(lambda history: history.rename(row["id"], name))
                self.run_worker(rename)

        title = f"a name for run {row['id']}"
        self.app.push_screen(NameScreen(title, row["label"] or "", row["name"]), named)

    def action_delete(self) -> None:
        """Delete the run; it can be had back."""
        row, shelf = self._listing.chosen, self._shelf
        if row is None:
            return
        if shelf is not None and shelf.read_only is None and row["state"] != "running":
            # The next key is about the next run, whether or not the store has answered by then.
            self._listing.drop(row["id"], self._table.height)
            self._show()
        self.run_worker(self._delete(row))

    async def _delete(self, row: Row) -> None:
        def delete(history: History) -> bool:
            history.delete([row["id"]])
            return True

        done = await self._change(delete)
        self._listing.dropped.discard(row["id"])
        if done:
            self.notify(f"Deleted run {row['id']}, {called(row)}: u has it back.", markup=False)

    def action_undo(self) -> None:
        """Have back what was deleted last."""
        self.run_worker(self._undo())

    async def _undo(self) -> None:
        back = await self._change(lambda history: history.restore())
        if back is not None:
            listed = ", ".join(str(row["id"]) for row in back)
            self.notify(f"Back again: run {listed}." if back else "Nothing is left to undo.")

    async def _change(self, call: Callable[[History], _T]) -> _T | None:
        """Write to the store and show what has become of it; say in a line why not."""
        if self._shelf is None:
            self._refuse(NO_STORE)
            return None
        async with self._turn:
            done = await self._told(self._shelf.change(call))
        self._changed()
        return done

    async def _told(self, answer: Awaitable[_T | None]) -> _T | None:
        """What the store answers; None where it refuses, which is said in a line."""
        try:
            return await answer
        except ScenarioError as error:
            self.notify(str(error), severity="error", markup=False)
            return None

    def _with_chosen(self, do: Callable[[StoredRun], Awaitable[None]]) -> None:
        """Do something with the run that is under the cursor now, wherever that goes meanwhile."""
        row = self._listing.chosen
        if row is not None and self._shelf is not None:
            self.run_worker(self._with(self._shelf, row, do))

    async def _with(
        self, shelf: Shelf, row: Row, do: Callable[[StoredRun], Awaitable[None]]
    ) -> None:
        """Do something with a run, fetched anew."""
        async with self._turn:
            stored = await self._told(shelf.ask(lambda history: take(history, row)))
            if stored is not None:
                await do(stored)

    def action_export(self) -> None:
        """Write the run, or all of them, to a file."""
        from tui.lab.choices import ChoiceScreen
        from tui.runs.exporting import EXPORTS

        row = self._listing.chosen
        if row is None:
            return

        def chosen(what: str | None) -> None:
            if what is not None:
                self.run_worker(self._export(what, row["id"]))

        listed = list(EXPORTS.items())
        self.app.push_screen(ChoiceScreen(f"export run {row['id']}", listed, listed[0][0]), chosen)

    async def _export(self, what: str, number: int) -> None:
        from tui.runs.exporting import exported

        folder = self.app.folder
        assert self._shelf is not None
        write = self._shelf.ask(lambda history: exported(history.path, folder, what, number))
        path = await self._told(write)
        if path is not None:
            self.notify(f"Wrote {path.name} in {folder}", markup=False)
