"""The compare table, by keys alone: the runs in the plot, a row each."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from engine.culprits import Culprits
from engine.verdict import Verdict
from tests.app.support import LabApp, ScriptedWorker, finished
from tests.app.test_keys import text
from tui.lab.compare import CompareView
from tui.lab.standing import standing
from tui.words import chief_culprit


def rows(app: LabApp) -> list[str]:
    """The table as a person reads it."""
    strips = app.lab.query_one(CompareView)._strips
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def pin_some(pilot: Pilot[Any], *names: str) -> None:
    await finished(pilot)
    app = pilot.app
    assert isinstance(app, LabApp)
    for name in names:
        await pilot.press("p")
        app.lab.run_scenario(name)
        await finished(pilot)


async def test_a_row_for_each_run_of_the_plot() -> None:
    app = LabApp()
    async with app.run_test(size=(160, 50)) as pilot:
        await pin_some(pilot, "rnn-relu-above", "rnn-overflow", "mlp-dead")
        await pilot.press("c")
        await pilot.pause()
        head, live, *pinned = rows(app)
        assert head.split() == ["run", "verdict", "decades", "rate", "loss", "theory", "culprit"]
        assert live.split()[:2] == ["●", "mlp-dead"] and " dead " in live
        assert "left nothing at layer 12" in live
        assert [line.split()[:2] for line in pinned] == [
            ["■", "chain-sigmoid"],
            ["▲", "rnn-relu-above"],
            ["◆", "rnn-overflow"],
        ]
        assert "vanishing" in pinned[0] and "phi' took" in pinned[0]
        assert "exploding" in pinned[1] and "+" in pinned[1]
        assert " overflow " in pinned[2]
        await pilot.press("P")
        await pilot.pause()
        assert len(rows(app)) == 4


async def test_what_a_row_says_is_what_the_verdict_says() -> None:
    app = LabApp()
    async with app.run_test(size=(160, 50)) as pilot:
        await finished(pilot)
        await pilot.press("c")
        await pilot.pause()
        live = app.lab.session.live
        assert live is not None and live.latest is not None
        verdict, found = live.latest.verdict, live.comparison
        assert verdict.decades is not None and found is not None
        line = rows(app)[1]
        assert f"{verdict.decades:+.1f}" in line
        assert f"{live.latest.loss:.3g}" in line
        assert f"{found.predicted:+.1f}" in line


async def test_c_comes_and_goes_and_v_finds_it() -> None:
    app = LabApp(worker=ScriptedWorker(frames=3))
    async with app.run_test(size=(80, 24)) as pilot:
        picture = app.lab._picture
        await pilot.press("v", "c")
        assert picture.view.name_id == "compare"
        await pilot.pause()
        assert "pin runs with p" in text(app)
        await pilot.press("c")
        assert picture.view.name_id == "culprits"
        await pilot.press("v", "v")
        assert picture.view.name_id == "compare"
        await pilot.press("v")
        assert picture.view.name_id == "loss"


@pytest.mark.parametrize("unicode", [True, False])
async def test_narrow_rows_end_with_the_culprit(unicode: bool) -> None:
    app = LabApp(unicode=unicode)
    async with app.run_test(size=(80, 24)) as pilot:
        await pin_some(pilot, "rnn-relu-above", "indrnn-deep", "cnn-tanh", "rnn-tanh")
        await pilot.press("c")
        await pilot.pause()
        table = app.lab.query_one(CompareView)
        assert len(rows(app)) == 6 <= table.content_size.height
        assert all(len(line) <= table.content_size.width for line in rows(app))
        assert rows(app)[2].endswith(" phi'")
        assert text(app).isascii() is not unicode


def test_the_chief_culprit() -> None:
    def chief(decades: float | None, name: str, **total: float | None) -> str:
        verdict = Verdict(name, decades, 9, None, "layer", 10)  # type: ignore[arg-type]
        found = Culprits("layer", 10, "h", dict.fromkeys(total), total, None)  # type: ignore[arg-type]
        return chief_culprit(found, verdict, "W")

    assert chief(-6.0, "vanishing", activation=-7.0, weights=1.0) == "phi' -7.0"
    assert chief(16.0, "exploding", activation=-13.0, weights=29.0) == "W +29.0"
    assert chief(-0.2, "healthy", activation=-15.0, weights=15.0) == ""
    assert chief(None, "dead", activation=None, weights=None) == ""


async def test_a_pin_stands_as_it_did() -> None:
    app = LabApp(changes={"training.steps": 5})
    async with app.run_test() as pilot:
        await finished(pilot)
        live = app.lab.session.live
        assert live is not None and live.latest is not None
        await pilot.press("p")
        (pin,) = app.lab.session.pins
        assert pin.standing == standing(live, live.latest)
        assert pin.standing.step == 5


@pytest.mark.parametrize("width", [160, 120, 100])
async def test_a_row_says_who_did_it_in_as_many_words_as_fit_and_cuts_none(width: int) -> None:
    app = LabApp("rnn-relu-above")
    async with app.run_test(size=(width, 50)) as pilot:
        await finished(pilot)
        app.lab.change("init.recurrent_scale", 1.41421)
        await pin_some(pilot, "indrnn-deep")
        await pilot.press("c")
        await pilot.pause()
        live, pinned = (row.standing for row in app.lab.query_one(CompareView)._rows())
        _, first, second = rows(app)
        for line, told in ((first, live), (second, pinned)):
            assert any(line.endswith(words) for words in (*told.blame, told.culprit))
        assert width < 160 or "recurrent_scale=1.41421" in second


async def test_a_run_that_nobody_killed_stands_alone() -> None:
    app = LabApp("rnn-overflow")
    async with app.run_test() as pilot:
        await finished(pilot)
        await pilot.press("c")
        await pilot.pause()
        assert app.lab._picture.view.name_id == "compare"
        assert "overflow" in app.lab._picture.view._strips[1].text
