"""The command palette's way to every scenario."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.lab.screen import LabScreen


class ScenarioProvider(Provider):
    """Runs a scenario of the catalogue."""

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        from scenarios.catalogue import entries

        if isinstance(self.screen, LabScreen):
            for entry in entries():
                run = partial(self.screen.run_scenario, entry.name)
                yield DiscoveryHit(f"Run {entry.title}", run, help=" ".join(entry.question.split()))

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        from scenarios.catalogue import entries

        if not isinstance(self.screen, LabScreen):
            return
        matcher = self.matcher(query)
        for entry in entries():
            words = f"Run {entry.title} ({entry.name})"
            score = matcher.match(words)
            if score > 0:
                run = partial(self.screen.run_scenario, entry.name)
                yield Hit(
                    score, matcher.highlight(words), run, help=" ".join(entry.question.split())
                )
