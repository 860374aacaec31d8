"""The panel: where the service is, which model, whether to believe it, and what became of the frames."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from .live import Live, State

#: Time between two updates of the panel, s.
_EVERY_S = 0.5


class Panel:
    """Panel of the plug-in, as Swift's interface wants it.

    Parameters
    ----------
    live
        What it shows and changes.
    queue_task
        Runs a function on the thread of the user interface.
    """

    panel_id = "shiftvae-panel"
    panel_name = "Latent maps (shiftvae)"
    panel_positions = ("left", "right")
    panel_position = "right"

    def __init__(self, live: Live, queue_task: Callable[[Callable[[], None]], None]) -> None:
        self._live, self._queue_task = live, queue_task
        self._closing = threading.Event()
        self._labels: dict[str, Any] = {}
        self._models: tuple[str, ...] = ()

    def create_panel_widget(self, ui: Any, _: Any) -> Any:
        """The widget; called by Swift once."""
        column = ui.create_column_widget()
        for name in ("ingest", "results", "control"):
            self._add(column, ui, name, self._address(ui, name))
        self._choice = ui.create_combo_box_widget()
        self._choice.on_current_item_changed = self._chosen
        self._add(column, ui, "model", self._choice)
        everything = ui.create_check_box_widget("all latents, also displacements")
        everything.checked = self._live.settings.everything
        everything.on_checked_changed = lambda checked: self._change(everything=checked)
        column.add(everything)
        for name in ("service", "stride", "lamp", "frames", "errors"):
            self._labels[name] = ui.create_label_widget("")
            self._add(column, ui, name, self._labels[name])
        column.add_stretch()
        threading.Thread(target=self._refresh, name="shiftvae panel", daemon=True).start()
        return column

    def close(self) -> None:
        """End the updates; called by Swift."""
        self._closing.set()

    def show(self, state: State) -> None:
        """Write `state` into the widgets; on the thread of the user interface."""
        if self._closing.is_set():
            return
        counts = state.counters
        lost = counts.dropped_producer + counts.dropped_stale
        words = {
            "service": state.service,
            "stride": f"{state.stride} px" if state.stride else "",
            "lamp": f"● {state.lamp}",
            "frames": f"{counts.processed} of {counts.offered} mapped, {lost} dropped, {counts.rejected} refused",
            "errors": str(state.errors),
        }
        for name, text in words.items():
            if self._labels[name].text != text:
                self._labels[name].text = text
        names = tuple(dict.fromkeys([state.model, *state.models] if state.model else state.models))
        if names != self._models:  # the current model stands first
            self._models = names
            self._choice.items = list(names)

    def _add(self, column: Any, ui: Any, title: str, widget: Any) -> None:
        row = ui.create_row_widget()
        row.add(ui.create_label_widget(f"{title}: "))
        row.add(widget)
        row.add_stretch()
        column.add(row)

    def _address(self, ui: Any, name: str) -> Any:
        edit = ui.create_line_edit_widget(getattr(self._live.settings, name))
        edit.on_editing_finished = lambda text: self._change(**{name: text.strip()})
        return edit

    def _change(self, **changes: Any) -> None:
        self._live.apply(dataclasses.replace(self._live.settings, **changes))

    def _chosen(self, model: str) -> None:
        if model and self._models and model != self._models[0]:
            self._live.swap(model)

    def _refresh(self) -> None:
        while not self._closing.wait(_EVERY_S):
            state = self._live.state()
            try:
                self._queue_task(lambda state=state: self.show(state))
            except IndexError:  # no window, or none any more
                continue
